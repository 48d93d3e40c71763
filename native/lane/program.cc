#include "lane/program.h"

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "lane/execute.h"

namespace vfio_engine {
namespace {

// A program gives other lanes their turn after as many steps as a lane's quota, or after this time if it has copies.
constexpr uint64_t kStepsATurn = 64;
// Each is one store, most often to memory that is in no cache.
constexpr uint64_t kCancelsATurn = 256;
constexpr uint64_t kCopiesATurnUs = 20;
// How long, and for how many steps, one call keeps a JavaScript thread at most: a thread cannot be terminated inside a
// call. Steps are counted because a step takes microseconds and reading the clock for each would cost more than most.
constexpr uint64_t kCallUs = 50000;
constexpr uint32_t kStepsACall = 4096;

// Tells whether the step's value stands in `buffer_offset`. The answer overwrites `value`, and a program can run again.
bool ValueIsInBufferOffset(const Slot& slot) {
  const Op op = static_cast<Op>(slot.op);
  return op == Op::kModify || op == Op::kPoll;
}

// Runs a step for a slice of time. `*copied` counts the bytes that a copy step has copied; it is 0 for any other step.
// A copy of the slot is run, because another thread may change the shared slot between the check and the use.
int RunStep(Slot& shared, LastBuffer& last, uint64_t* copied) {
  Slot copy = shared;
  // Keeps the compiler from loading a field from the shared slot again.
  std::atomic_signal_fence(std::memory_order_seq_cst);
  if (*copied > 0) {
    if (*copied > copy.length) return -EINVAL;
    copy.offset += *copied;
    copy.buffer_offset += *copied;
    copy.length -= static_cast<uint32_t>(*copied);
  }
  if (ValueIsInBufferOffset(copy)) copy.value = copy.buffer_offset;
  const uint32_t left = copy.length;
  int status = ExecuteSlice(copy, last);
  *copied = status == kAgain ? *copied + (left - copy.length) : 0;
  if (status == kAgain) return status;
  shared.value = copy.value;
  shared.status = status;
  return status;
}

// Tells whether a turn has used up its time. The first call starts the time.
bool IsOver(uint64_t* end_us) {
  const uint64_t now = NowUs();
  if (*end_us == 0) *end_us = now + kCopiesATurnUs;
  return now >= *end_us;
}

// Gives ECANCELED to steps after a failed one: those of a turn. Returns the first one that is left.
uint64_t CancelForATurn(Slot* slots, uint64_t first, uint64_t count) {
  const uint64_t end = std::min(count, first + kCancelsATurn);
  for (uint64_t step = first; step < end; step++) slots[step].status = -ECANCELED;
  return end;
}

}  // namespace

bool RunForATurn(Slot* slots, uint32_t count, Reach& reach, uint32_t* ran) {
  LastBuffer last(reach);
  uint64_t end_us = 0;
  uint64_t copied = 0;
  const uint32_t turn_end = std::min(count - *ran, kStepsACall) + *ran;
  while (*ran < turn_end) {
    int status = RunStep(slots[*ran], last, &copied);
    // Goes on: the caller has no field for the progress of a copy.
    if (status == kAgain && copied > 0) continue;
    if (status == kAgain) {
      const uint64_t now = NowUs();
      if (end_us == 0) end_us = now + kCallUs;
      if (now >= end_us) return false;
      continue;
    }
    ++*ran;
    if (status != 0) {
      for (uint64_t step = *ran; step < count;) step = CancelForATurn(slots, step, count);
      return true;
    }
  }
  return *ran == count;
}

// Runs slots until one fails and sets the status of each; those after the failed one get ECANCELED. Returns how many
// ran. `slots` is aligned to 8 bytes; `program` is what the external of programCreate holds, and its regions are used.
// It is exported for dlsym(3), so that the C side of the benchmark runs the same code. Thread: any that may block for
// as long as the steps wait.
extern "C" __attribute__((visibility("default"))) uint32_t vfio_engine_program_run(Slot* slots, uint32_t count,
                                                                                   void* program) {
  uint32_t ran = 0;
  while (!RunForATurn(slots, count, *(*static_cast<std::shared_ptr<DmaBuffer>*>(program))->reach, &ran)) {
  }
  return ran;
}

int ExecuteProgram(Slot& slot, Reach& reach) {
  std::shared_ptr<DmaBuffer> memory = reach.BufferOf(slot.buffer_number());
  if (memory == nullptr) return reach.WhyNoBuffer(slot.buffer_number());
  if (slot.buffer_offset > memory->length || slot.length > memory->length - slot.buffer_offset) return -ERANGE;
  uint8_t* start = memory->data + slot.buffer_offset;
  const uint64_t count = slot.length / sizeof(Slot);
  bool whole = slot.length % sizeof(Slot) == 0 && reinterpret_cast<uintptr_t>(start) % alignof(Slot) == 0;
  if (!whole || slot.value > count) return -EINVAL;
  auto* slots = reinterpret_cast<Slot*>(start);
  if (slot.status != 0) {
    slot.mask = CancelForATurn(slots, slot.mask, count);
    return slot.mask < count ? kAgain : slot.status;
  }
  LastBuffer last(memory->reach != nullptr ? *memory->reach : reach);
  uint64_t end_us = 0;
  const uint64_t turn_end = std::min(count, slot.value + kStepsATurn);
  while (slot.value < turn_end) {
    int status = RunStep(slots[slot.value], last, &slot.mask);
    if (status == kAgain) return kAgain;
    slot.value++;
    if (status != 0) {
      slot.status = status;
      slot.mask = slot.value;
      return kAgain;
    }
    if (last.TakeUsed() && IsOver(&end_us)) break;
  }
  return slot.value == count ? 0 : kAgain;
}

}  // namespace vfio_engine
