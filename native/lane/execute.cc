#include "lane/execute.h"

#include <time.h>

#include <cerrno>

#include "lane/dma_buffer.h"
#include "lane/mmio.h"
#include "lane/quiescence.h"
#include "lane/region_table.h"

namespace vfio_engine {
namespace {

// How many times a register is looked at before the clock is, and before other lanes get a turn.
constexpr int kPollBurst = 256;

int Modify(const IoRegion& region, Slot& slot) {
  uint64_t value = 0;
  int error = region.Read(slot.offset, slot.width, &value);
  if (error != 0) return error;
  error = region.Write(slot.offset, slot.width, (value & ~slot.mask) | (slot.value & slot.mask));
  slot.value = value;
  return error;
}

// `slot.value` is what is waited for; it becomes what was seen.
int Poll(const IoRegion& region, Slot& slot) {
  uint64_t seen = 0;
  for (int i = 0; i < kPollBurst; i++) {
    int error = region.Read(slot.offset, slot.width, &seen);
    if (error != 0) return error;
    if ((seen & slot.mask) == slot.value) {
      slot.value = seen;
      return 0;
    }
  }
  return kAgain;
}

int Copy(const IoRegion& region, const Slot& slot) {
  std::shared_ptr<DmaBuffer> buffer = DmaBuffers().Get(slot.buffer);
  if (buffer == nullptr) return -EBADF;
  if (slot.buffer_offset > buffer->length || slot.length > buffer->length - slot.buffer_offset) return -ERANGE;
  uint8_t* memory = buffer->data + slot.buffer_offset;
  if (slot.width != 0 && reinterpret_cast<uintptr_t>(memory) % slot.width != 0) return -EINVAL;
  return static_cast<Op>(slot.op) == Op::kCopyOut ? region.CopyOut(slot.offset, slot.width, memory, slot.length)
                                                  : region.CopyIn(slot.offset, slot.width, memory, slot.length);
}

int ExecuteOn(const IoRegion& region, Slot& slot) {
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
      return Copy(region, slot);
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

int Execute(Slot& slot) {
  if (static_cast<Op>(slot.op) == Op::kBarrier) {
    MmioBarrier();
    return 0;
  }
  if (slot.deadline_us != 0 && static_cast<Op>(slot.op) != Op::kPoll && NowUs() > slot.deadline_us) return -ETIMEDOUT;
  int result;
  {
    ReadSection section;
    const IoRegion* region = RegionTable::Get().Find(slot.region);
    if (region == nullptr) return -EBADF;
    result = ExecuteOn(*region, slot);
  }
  // A poll without a deadline would never let its lane go.
  if (result == kAgain && (slot.deadline_us == 0 || NowUs() > slot.deadline_us)) return -ETIMEDOUT;
  return result;
}

}  // namespace vfio_engine
