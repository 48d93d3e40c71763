// The layout of a lane and of a worker's control block in shared memory. lib/layout/lane.ts and slot.ts have the same
// offsets in tables, with the steps of publishing and consuming. test/unit/layout/lane.test.ts compares the offsets
// that are asserted here with those.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace vfio_engine {

enum class Op : uint8_t {
  kNone = 0,
  kRead = 1,
  kWrite = 2,
  kModify = 3,    // read, keep ~mask, put value & mask, write
  kPoll = 4,      // read until (value & mask) == expected, or the deadline
  kCopyOut = 5,   // region to buffer
  kCopyIn = 6,    // buffer to region
  kBarrier = 7,   // all memory accesses before it are visible before those after it
  kDoorbell = 8,  // a barrier and a write
  kProgram = 9,   // slots in a buffer, run in order until one fails
};

// One operation. The producer writes all fields except `status` and, for reads, `value`.
struct Slot {
  uint8_t op;
  uint8_t width;
  uint16_t cancelled;
  // The region's number in the lane's or the program's Reach.
  uint32_t region;
  uint64_t offset;
  uint64_t value;
  uint64_t mask;
  uint64_t buffer_offset;
  // The low half of the buffer's number in the Reach.
  uint32_t buffer;
  uint32_t length;
  // CLOCK_MONOTONIC in microseconds; 0 for none.
  uint64_t deadline_us;
  int32_t status;
  uint32_t buffer_high;

  uint64_t buffer_number() const { return uint64_t{buffer_high} << 32 | buffer; }
};
static_assert(sizeof(Slot) == 64, "a slot is one cache line");
static_assert(offsetof(Slot, op) == 0);
static_assert(offsetof(Slot, width) == 1);
static_assert(offsetof(Slot, cancelled) == 2);
static_assert(offsetof(Slot, region) == 4);
static_assert(offsetof(Slot, offset) == 8);
static_assert(offsetof(Slot, value) == 16);
static_assert(offsetof(Slot, mask) == 24);
static_assert(offsetof(Slot, buffer_offset) == 32);
static_assert(offsetof(Slot, buffer) == 40);
static_assert(offsetof(Slot, length) == 44);
static_assert(offsetof(Slot, deadline_us) == 48);
static_assert(offsetof(Slot, status) == 56);
static_assert(offsetof(Slot, buffer_high) == 60);

struct LaneHeader {
  uint32_t capacity;
  uint8_t pad0[60];
  // The producer's cache line.
  std::atomic<uint32_t> produced;
  std::atomic<uint32_t> waiting;
  std::atomic<uint32_t> notify;
  uint8_t pad1[52];
  // The worker's cache lines.
  std::atomic<uint32_t> claimed;
  uint8_t pad2[60];
  std::atomic<uint32_t> completed;
  uint8_t pad3[60];
};
static_assert(sizeof(LaneHeader) == 256, "the slots begin on a cache line of their own");
static_assert(offsetof(LaneHeader, produced) == 64);
static_assert(offsetof(LaneHeader, waiting) == 68);
static_assert(offsetof(LaneHeader, notify) == 72);
static_assert(offsetof(LaneHeader, claimed) == 128);
static_assert(offsetof(LaneHeader, completed) == 192);

struct WorkerControl {
  // Counts wake-ups. The worker sleeps on it.
  std::atomic<uint32_t> doorbell;
  std::atomic<uint32_t> sleeping;
  // How long the worker looks for work before it sleeps, microseconds. The worker adapts it.
  std::atomic<uint32_t> spin_us;
  uint8_t pad[52];
};
static_assert(sizeof(WorkerControl) == 64);
static_assert(offsetof(WorkerControl, sleeping) == 4);
static_assert(offsetof(WorkerControl, spin_us) == 8);

constexpr uint32_t kMaxLaneCapacity = 1u << 16;

}  // namespace vfio_engine
