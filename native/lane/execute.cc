#include "lane/execute.h"

#include <time.h>

#include <algorithm>
#include <cerrno>

#include "lane/block_hook.h"
#include "lane/mmio.h"
#include "lane/program.h"
#include "lane/quiescence.h"
#include "lane/region_table.h"

namespace vfio_engine {
namespace {

// How long a register is looked at, or a block is copied, before other lanes get a turn and the deadline is looked at:
// about as long as one look at a slow device takes. How many accesses fit in is found out by doing: device memory
// answers after half a nanosecond or after microseconds, and asking for the time costs 25 ns.
constexpr uint64_t kSliceUs = 20;
constexpr uint32_t kFirstBurst = 4;
constexpr uint32_t kLongestBurst = 1u << 14;
// What is copied by loads and stores without asking for the time: at most a millisecond of a slow device's.
constexpr uint32_t kQuickWords = 1024;

int Modify(const IoRegion& region, Slot& slot) {
  uint64_t value = 0;
  int error = region.Read(slot.offset, slot.width, &value);
  if (error != 0) return error;
  error = region.Write(slot.offset, slot.width, (value & ~slot.mask) | (slot.value & slot.mask));
  slot.value = value;
  return error;
}

template <class Word>
int LookAtMapped(const uint8_t* address, uint32_t times, Slot& slot) {
  auto* place = reinterpret_cast<const volatile Word*>(address);
  const uint64_t mask = slot.mask;
  const uint64_t expected = slot.value;
  for (uint32_t i = 0; i < times; i++) {
    const uint64_t seen = *place;
    if ((seen & mask) == expected) {
      slot.value = seen;
      return 0;
    }
  }
  return kAgain;
}

int LookAtMappedBy(uint32_t width, const uint8_t* address, uint32_t times, Slot& slot) {
  switch (width) {
    case 1:
      return LookAtMapped<uint8_t>(address, times, slot);
    case 2:
      return LookAtMapped<uint16_t>(address, times, slot);
    case 4:
      return LookAtMapped<uint32_t>(address, times, slot);
    default:
      return LookAtMapped<uint64_t>(address, times, slot);
  }
}

// A value that is not all ones came from the device. A look that ended without one may have seen nothing but revoked
// memory.
int LookAtArea(const IoRegion::MappedArea& area, uint32_t times, Slot& slot) {
  const uint32_t epoch = area.memory->epoch();
  const int result = LookAtMappedBy(slot.width, area.data + (slot.offset - area.offset), times, slot);
  if (result == 0 && !IoRegion::IsAllOnes(slot.value, slot.width)) return 0;
  const int error = IoRegion::CheckMapped(area, epoch);
  return error != 0 ? error : result;
}

int LookAtTrapped(const IoRegion& region, uint32_t times, Slot& slot) {
  for (uint32_t i = 0; i < times; i++) {
    uint64_t seen = 0;
    int error = region.Read(slot.offset, slot.width, &seen);
    if (error != 0) return error;
    if ((seen & slot.mask) == slot.value) {
      slot.value = seen;
      return 0;
    }
  }
  return kAgain;
}

// `slot.value` is what is waited for; it becomes what was seen.
int Poll(const IoRegion& region, Slot& slot) {
  int error = region.CheckRead(slot.offset, slot.width, slot.width);
  if (error != 0) return error;
  const IoRegion::MappedArea* area = region.AreaOf(slot.offset, slot.width);
  TellBeforeBlocking();
  const uint64_t end = NowUs() + kSliceUs;
  for (uint32_t burst = kFirstBurst;; burst = std::min(burst * 4, kLongestBurst)) {
    int result = area == nullptr ? LookAtTrapped(region, burst, slot) : LookAtArea(*area, burst, slot);
    if (result != kAgain || NowUs() >= end) return result;
  }
}

int CopyPart(const IoRegion& region, const Slot& slot, uint8_t* memory, uint32_t length) {
  return static_cast<Op>(slot.op) == Op::kCopyOut ? region.CopyOut(slot.offset, slot.width, memory, length)
                                                  : region.CopyIn(slot.offset, slot.width, memory, length);
}

// Copies for the time of a slice. The slot then says what is left.
int CopySlice(const IoRegion& region, Slot& slot, uint8_t* memory) {
  TellBeforeBlocking();
  const uint64_t end = NowUs() + kSliceUs;
  for (uint32_t burst = kFirstBurst;; burst = std::min(burst * 4, kLongestBurst)) {
    const uint32_t length = std::min(slot.length, burst * slot.width);
    int error = CopyPart(region, slot, memory, length);
    if (error != 0) return error;
    memory += length;
    slot.offset += length;
    slot.buffer_offset += length;
    slot.length -= length;
    if (slot.length == 0) return 0;
    if (NowUs() >= end) return kAgain;
  }
}

int Copy(const IoRegion& region, Slot& slot, LastBuffer& last) {
  const DmaBuffer* buffer = last.Find(slot.buffer_number());
  if (buffer == nullptr) return last.reach().WhyNoBuffer(slot.buffer_number());
  if (slot.buffer_offset > buffer->length || slot.length > buffer->length - slot.buffer_offset) return -ERANGE;
  uint8_t* memory = buffer->data + slot.buffer_offset;
  if (slot.width != 0 && reinterpret_cast<uintptr_t>(memory) % slot.width != 0) return -EINVAL;
  // All that is left is checked before any of it is moved.
  int error = static_cast<Op>(slot.op) == Op::kCopyOut ? region.CheckRead(slot.offset, slot.width, slot.length)
                                                       : region.CheckWrite(slot.offset, slot.width, slot.length);
  if (error != 0) return error;
  bool quick = slot.length <= kQuickWords * slot.width && region.AreaOf(slot.offset, slot.length) != nullptr;
  return quick ? CopyPart(region, slot, memory, slot.length) : CopySlice(region, slot, memory);
}

int ExecuteOn(const IoRegion& region, Slot& slot, LastBuffer& last) {
  switch (static_cast<Op>(slot.op)) {
    case Op::kRead:
      return region.Read(slot.offset, slot.width, &slot.value);
    case Op::kWrite:
      return region.Write(slot.offset, slot.width, slot.value);
    case Op::kModify:
      return Modify(region, slot);
    case Op::kPoll:
      return Poll(region, slot);
    case Op::kCopyOut:
    case Op::kCopyIn:
      return Copy(region, slot, last);
    case Op::kDoorbell:
      MmioBarrier();
      return region.Write(slot.offset, slot.width, slot.value);
    default:
      return -EOPNOTSUPP;
  }
}

}  // namespace

uint64_t NowUs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000u + static_cast<uint64_t>(now.tv_nsec) / 1000u;
}

int ExecuteSlice(Slot& slot, LastBuffer& last) {
  if (static_cast<Op>(slot.op) == Op::kBarrier) {
    MmioBarrier();
    return 0;
  }
  if (slot.deadline_us != 0 && static_cast<Op>(slot.op) != Op::kPoll && NowUs() > slot.deadline_us) return -ETIMEDOUT;
  const uint64_t handle = last.reach().RegionOf(slot.region);
  if (handle == 0) return last.reach().WhyNoRegion(slot.region);
  int result;
  {
    ReadSection section(handle);
    const IoRegion* region = RegionTable::Get().Find(handle);
    if (region == nullptr) return -EBADF;
    result = ExecuteOn(*region, slot, last);
  }
  if (result != kAgain || static_cast<Op>(slot.op) != Op::kPoll) return result;
  // A poll without a deadline would never let its lane go.
  return slot.deadline_us == 0 || NowUs() > slot.deadline_us ? -ETIMEDOUT : kAgain;
}

int Execute(Slot& slot, Reach& reach) {
  if (static_cast<Op>(slot.op) == Op::kProgram) return ExecuteProgram(slot, reach);
  LastBuffer none(reach);
  return ExecuteSlice(slot, none);
}

}  // namespace vfio_engine
