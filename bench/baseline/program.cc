// What C pays for programs: the same descriptors filled, run by the engine's own native code, and reaped.
#include <dlfcn.h>

#include <string>
#include <thread>
#include <vector>

#include "clock.h"
#include "lane/layout.h"

using vfio_engine::Op;
using vfio_engine::Slot;

namespace {

constexpr uint32_t kGroups = 32;
constexpr uint32_t kGroupBytes = 64;
constexpr uint32_t kSteps = 8 * kGroups;

using ProgramRun = uint32_t (*)(Slot*, uint32_t);
ProgramRun program_run = nullptr;

// (path of the engine's addon, which is loaded)
Napi::Value UseEngine(const Napi::CallbackInfo& info) {
  void* engine = dlopen(info[0].As<Napi::String>().Utf8Value().c_str(), RTLD_LAZY | RTLD_NOLOAD);
  if (engine != nullptr) program_run = reinterpret_cast<ProgramRun>(dlsym(engine, "vfio_engine_program_run"));
  if (program_run == nullptr) throw Napi::Error::New(info.Env(), "the engine's addon is not loaded");
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
    // The engine's programs have it there: the answer goes over the other.
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

// (region, batches) => ns a step
Napi::Value Batch(const Napi::CallbackInfo& info) {
  uint32_t region = info[0].As<Napi::Number>().Uint32Value();
  uint32_t batches = info[1].As<Napi::Number>().Uint32Value();
  std::vector<Slot> slots(kSteps);
  uint32_t wrong = 0;
  Napi::Value cost = CostOf(info.Env(), static_cast<double>(batches) * kSteps, [&] {
    for (uint32_t value = 0; value < batches; value++) {
      FillAll(slots, region, value);
      bool all = program_run(slots.data(), kSteps) == kSteps && slots[kSteps - 1].status == 0;
      if (!all || Reap(slots) != kGroups * value + kGroups * (kGroups - 1) / 2) wrong++;
    }
  });
  if (wrong > 0) throw Napi::Error::New(info.Env(), "a batch read something else than was written");
  return cost;
}

// A device of C: what is written to word 0 it works at for `work_ns` and then writes to word 16. Word 0 of all ones
// ends it.
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

// (bytes, work in ns)
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

// (first command, commands) => ns a command given and awaited
Napi::Value CommandLoop(const Napi::CallbackInfo& info) {
  uint32_t first = info[0].As<Napi::Number>().Uint32Value();
  uint32_t commands = info[1].As<Napi::Number>().Uint32Value();
  return CostOf(info.Env(), commands, [&] {
    for (uint32_t i = 0; i < commands; i++) {
      device.words[0] = first + i;
      while (device.words[16] != first + i) {
      }
    }
  });
}

}  // namespace

void RegisterProgram(Napi::Env env, Napi::Object exports) {
  exports.Set("useEngine", Napi::Function::New(env, UseEngine));
  exports.Set("batch", Napi::Function::New(env, Batch));
  exports.Set("startDevice", Napi::Function::New(env, StartDevice));
  exports.Set("stopDevice", Napi::Function::New(env, StopDevice));
  exports.Set("commandLoop", Napi::Function::New(env, CommandLoop));
}
