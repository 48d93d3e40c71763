// A producer in C on a lane of the engine, and two C threads that do a lane's work themselves.
#include "lane/layout.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "baseline.h"

using vfio_engine::LaneHeader;
using vfio_engine::Op;
using vfio_engine::Slot;
using vfio_engine::WorkerControl;

namespace {

constexpr uint32_t kWords = 1024;

struct Lane {
  LaneHeader* header;
  Slot* slots;
  uint32_t capacity;

  explicit Lane(uint8_t* memory)
      : header(reinterpret_cast<LaneHeader*>(memory)),
        slots(reinterpret_cast<Slot*>(memory + sizeof(LaneHeader))),
        capacity(header->capacity) {}

  Slot& At(uint32_t count) const { return slots[count & (capacity - 1)]; }

  // Reads and writes alternate, over a page.
  void Write(uint32_t count, uint32_t region) const {
    Slot& slot = At(count);
    slot.op = static_cast<uint8_t>((count & 1) != 0 ? Op::kWrite : Op::kRead);
    slot.width = 4;
    slot.cancelled = 0;
    slot.region = region;
    slot.offset = (count & (kWords - 1)) * 4;
    slot.value = count;
    slot.deadline_us = 0;
  }
};

void Wake(WorkerControl* worker) {
  worker->doorbell.fetch_add(1);
  syscall(SYS_futex, &worker->doorbell, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

void Publish(const Lane& lane, WorkerControl* worker, uint32_t pushed) {
  lane.header->produced.store(pushed, std::memory_order_seq_cst);
  if (worker->sleeping.load(std::memory_order_seq_cst) != 0) Wake(worker);
}

void Await(const Lane& lane, uint32_t taken) {
  while (lane.header->completed.load(std::memory_order_acquire) == taken) {
  }
}

// Keeps `in_flight` operations in flight until `operations` are answered. Returns how many failed.
uint32_t Produce(const Lane& lane, WorkerControl* worker, uint32_t region, uint32_t operations, uint32_t in_flight) {
  uint32_t pushed = lane.header->produced.load();
  uint32_t taken = pushed;
  const uint32_t end = pushed + operations;
  uint32_t failed = 0;
  while (taken != end) {
    while (pushed - taken < in_flight && pushed != end) lane.Write(pushed++, region);
    Publish(lane, worker, pushed);
    Await(lane, taken);
    uint32_t completed = lane.header->completed.load(std::memory_order_acquire);
    for (; taken != completed; taken++) failed += lane.At(taken).status != 0;
  }
  return failed;
}

// (lane, worker: Uint8Array, region, operations, inFlight)
Napi::Value LaneProduce(const Napi::CallbackInfo& info) {
  Lane lane(BytesOf(info[0]));
  auto* worker = reinterpret_cast<WorkerControl*>(BytesOf(info[1]));
  uint32_t region = info[2].As<Napi::Number>().Uint32Value();
  uint32_t operations = info[3].As<Napi::Number>().Uint32Value();
  uint32_t in_flight = info[4].As<Napi::Number>().Uint32Value();
  uint32_t failed = Produce(lane, worker, region, operations, in_flight);
  if (failed != 0) throw Napi::Error::New(info.Env(), std::to_string(failed) + " operations of the C producer failed");
  return info.Env().Undefined();
}

// A worker: copies a slot, makes the access, answers.
void Serve(const Lane& lane, volatile uint32_t* words, uint32_t operations) {
  for (uint32_t done = 0; done != operations; done++) {
    while (lane.header->produced.load(std::memory_order_acquire) == done) {
    }
    Slot copy;
    std::memcpy(&copy, &lane.At(done), sizeof(Slot));
    volatile uint32_t* word = words + copy.offset / 4;
    if (copy.op == static_cast<uint8_t>(Op::kWrite)) *word = static_cast<uint32_t>(copy.value);
    else copy.value = *word;
    lane.At(done).value = copy.value;
    lane.At(done).status = 0;
    lane.header->completed.store(done + 1, std::memory_order_release);
  }
}

// (fd, fileOffset, operations): the same reads and writes, by pread and pwrite.
Napi::Value TransferLoop(const Napi::CallbackInfo& info) {
  int fd = info[0].As<Napi::Number>().Int32Value();
  off_t base = static_cast<off_t>(info[1].As<Napi::Number>().Int64Value());
  uint32_t operations = info[2].As<Napi::Number>().Uint32Value();
  for (uint32_t count = 0; count != operations; count++) {
    uint64_t value = count;
    off_t offset = base + (count & (kWords - 1)) * 4;
    ssize_t moved = (count & 1) != 0 ? pwrite(fd, &value, 4, offset) : pread(fd, &value, 4, offset);
    if (moved != 4) abort();
  }
  return info.Env().Undefined();
}

// (roundTrips): the calling thread is the producer, a second thread the worker.
Napi::Value LaneThreads(const Napi::CallbackInfo& info) {
  uint32_t round_trips = info[0].As<Napi::Number>().Uint32Value();
  constexpr uint32_t kCapacity = 64;
  std::unique_ptr<uint8_t, decltype(&free)> memory(
      static_cast<uint8_t*>(aligned_alloc(64, sizeof(LaneHeader) + kCapacity * sizeof(Slot))), free);
  std::memset(memory.get(), 0, sizeof(LaneHeader) + kCapacity * sizeof(Slot));
  reinterpret_cast<LaneHeader*>(memory.get())->capacity = kCapacity;
  Lane lane(memory.get());
  std::vector<uint32_t> words(kWords);
  std::thread server([&] { Serve(lane, words.data(), round_trips); });
  for (uint32_t count = 0; count < round_trips; count++) {
    lane.Write(count, 1);
    lane.header->produced.store(count + 1, std::memory_order_seq_cst);
    Await(lane, count);
    if (lane.At(count).status != 0) abort();
  }
  server.join();
  return info.Env().Undefined();
}

}  // namespace

void RegisterLane(Napi::Env env, Napi::Object exports) {
  exports.Set("laneProduce", Napi::Function::New(env, LaneProduce));
  exports.Set("transferLoop", Napi::Function::New(env, TransferLoop));
  exports.Set("laneThreads", Napi::Function::New(env, LaneThreads));
}
