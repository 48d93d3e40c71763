// Programs in C: the same slots, filled, run by the engine's own native code, and read back. And a device in a thread.
#include <dlfcn.h>

#include <string>
#include <thread>
#include <vector>

#include "baseline.h"
#include "lane/layout.h"

using vfio_engine::Op;
using vfio_engine::Slot;

namespace {

constexpr uint32_t kGroups = 32;
constexpr uint32_t kGroupBytes = 64;
constexpr uint32_t kSteps = 8 * kGroups;

using ProgramRun = uint32_t (*)(Slot*, uint32_t, void*);
ProgramRun program_run = nullptr;

// (path): the engine's addon, which must be loaded.
Napi::Value UseEngine(const Napi::CallbackInfo& info) {
  void* engine = dlopen(info[0].As<Napi::String>().Utf8Value().c_str(), RTLD_LAZY | RTLD_NOLOAD);
  if (engine != nullptr) program_run = reinterpret_cast<ProgramRun>(dlsym(engine, "vfio_engine_program_run"));
  if (program_run == nullptr) throw Napi::Error::New(info.Env(), "the engine's addon must be loaded before useEngine");
  return info.Env().Undefined();
}

void Fill(Slot& slot, Op op, uint8_t width, uint32_t region, uint64_t offset, uint64_t value = 0, uint64_t mask = 0) {
  slot.op = static_cast<uint8_t>(op);
  slot.width = width;
  slot.cancelled = 0;
  slot.region = region;
  slot.offset = offset;
  slot.value = value;
  slot.mask = mask;
}

// The steps of bench/cases/batch-256.ts.
void FillAll(std::vector<Slot>& slots, uint32_t region, uint32_t value) {
  Slot* slot = slots.data();
  for (uint32_t group = 0; group < kGroups; group++) {
    uint64_t base = group * kGroupBytes;
    Fill(*slot++, Op::kRead, 4, region, base);
    Fill(*slot++, Op::kWrite, 4, region, base + 4, value + group);
    Fill(*slot++, Op::kRead, 2, region, base + 8);
    Fill(*slot++, Op::kWrite, 2, region, base + 12, value);
    Fill(*slot++, Op::kRead, 1, region, base + 16);
    Fill(*slot++, Op::kWrite, 1, region, base + 20, value);
    // The engine's programs keep the value here, because the answer overwrites `value`.
    slot->buffer_offset = value;
    Fill(*slot++, Op::kModify, 4, region, base + 24, 0, 0xff);
    Fill(*slot++, Op::kRead, 4, region, base + 4);
  }
}

uint32_t Reap(const std::vector<Slot>& slots) {
  uint32_t sum = 0;
  for (uint32_t step = 0; step < kSteps; step += 8) {
    sum += static_cast<uint32_t>(slots[step].value + slots[step + 2].value);
    sum += static_cast<uint32_t>(slots[step + 4].value + slots[step + 7].value);
  }
  return sum;
}

// (program, region, batches)
Napi::Value Batch(const Napi::CallbackInfo& info) {
  void* program = info[0].As<Napi::External<void>>().Data();
  uint32_t region = info[1].As<Napi::Number>().Uint32Value();
  uint32_t batches = info[2].As<Napi::Number>().Uint32Value();
  std::vector<Slot> slots(kSteps);
  uint32_t wrong = 0;
  for (uint32_t value = 0; value < batches; value++) {
    FillAll(slots, region, value);
    bool all = program_run(slots.data(), kSteps, program) == kSteps && slots[kSteps - 1].status == 0;
    if (!all || Reap(slots) != kGroups * value + kGroups * (kGroups - 1) / 2) wrong++;
  }
  if (wrong > 0) throw Napi::Error::New(info.Env(), std::to_string(wrong) + " batches of the C side read wrong values");
  return info.Env().Undefined();
}

// A device in a C thread. It works for `work_ns` at a value written to word 0 and then writes the value to word 16.
// The value of all ones ends the thread.
struct Device {
  std::thread thread;
  volatile uint32_t* words;
};
Device device;
constexpr uint32_t kEnd = 0xFFFFFFFF;

void RunDevice(volatile uint32_t* words, uint64_t work_ns) {
  uint32_t done = words[16];
  for (;;) {
    uint32_t command = words[0];
    if (command == done) continue;
    if (command == kEnd) return;
    uint64_t end = NowNs() + work_ns;
    while (NowNs() < end) {
    }
    done = command;
    words[16] = done;
  }
}

// (bytes, workNs)
Napi::Value StartDevice(const Napi::CallbackInfo& info) {
  device.words = reinterpret_cast<volatile uint32_t*>(BytesOf(info[0]));
  device.thread = std::thread(RunDevice, device.words, info[1].As<Napi::Number>().Uint32Value());
  return info.Env().Undefined();
}

Napi::Value StopDevice(const Napi::CallbackInfo& info) {
  device.words[0] = kEnd;
  device.thread.join();
  return info.Env().Undefined();
}

// (command) => nanoseconds until the device has finished it
Napi::Value Command(const Napi::CallbackInfo& info) {
  uint32_t command = info[0].As<Napi::Number>().Uint32Value();
  uint64_t start = NowNs();
  device.words[0] = command;
  while (device.words[16] != command) {
  }
  return Napi::Number::New(info.Env(), static_cast<double>(NowNs() - start));
}

}  // namespace

void RegisterProgram(Napi::Env env, Napi::Object exports) {
  exports.Set("useEngine", Napi::Function::New(env, UseEngine));
  exports.Set("batch", Napi::Function::New(env, Batch));
  exports.Set("startDevice", Napi::Function::New(env, StartDevice));
  exports.Set("stopDevice", Napi::Function::New(env, StopDevice));
  exports.Set("command", Napi::Function::New(env, Command));
}
