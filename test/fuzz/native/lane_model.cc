#include "lane_model.h"

#include <cerrno>
#include <cstring>

namespace fuzz {

ModelBuffer* Model::BufferOf(uint64_t number) {
  for (ModelBuffer& buffer : buffers) {
    if (buffer.number == number) return &buffer;
  }
  return nullptr;
}

int Model::Check(const ModelRegion& region, const Slot& slot, uint64_t length, bool allowed) const {
  const uint32_t width = slot.width;
  if (width != 1 && width != 2 && width != 4 && width != 8) return -EINVAL;
  if (slot.offset % width != 0 || length % width != 0) return -EINVAL;
  if (slot.offset > region.size || length > region.size - slot.offset) return -ERANGE;
  return allowed ? 0 : -EACCES;
}

int Model::Read(const ModelRegion& region, uint64_t offset, uint32_t width, uint64_t* value) const {
  if (region.transfer_error != 0) return region.transfer_error;
  if (offset + width > region.bytes.size()) return -ENODATA;
  *value = 0;
  std::memcpy(value, &region.bytes[offset], width);
  return 0;
}

int Model::Write(ModelRegion& region, uint64_t offset, uint32_t width, uint64_t value) {
  if (region.transfer_error != 0) return region.transfer_error;
  // A write behind the end of a file makes it longer.
  if (offset + width > region.bytes.size()) region.bytes.resize(offset + width);
  std::memcpy(&region.bytes[offset], &value, width);
  return 0;
}

int Model::Copy(ModelRegion& region, const Slot& slot) {
  const bool out = static_cast<Op>(slot.op) == Op::kCopyOut;
  ModelBuffer* buffer = BufferOf(slot.buffer_number());
  // A number that was never given.
  if (buffer == nullptr) return -EACCES;
  if (slot.buffer_offset > buffer->bytes.size() || slot.length > buffer->bytes.size() - slot.buffer_offset) {
    return -ERANGE;
  }
  // The buffers begin at a multiple of 8.
  if (slot.width != 0 && slot.buffer_offset % slot.width != 0) return -EINVAL;
  int error = Check(region, slot, slot.length, out ? region.readable : region.writable);
  if (error != 0) return error;
  for (uint32_t done = 0; done < slot.length; done += slot.width) {
    uint8_t* place = &buffer->bytes[slot.buffer_offset + done];
    uint64_t value = 0;
    if (!out) std::memcpy(&value, place, slot.width);
    error = out ? Read(region, slot.offset + done, slot.width, &value)
                : Write(region, slot.offset + done, slot.width, value);
    if (error != 0) return error;
    if (out) std::memcpy(place, &value, slot.width);
  }
  return 0;
}

int Model::Step(Slot& slot) {
  const Op op = static_cast<Op>(slot.op);
  if (op == Op::kBarrier) return 0;
  const bool late = slot.deadline_us != 0 && slot.deadline_us < kLongAgo;
  if (slot.deadline_us >= kLongAgo && slot.deadline_us < kNever) unknown = true;
  if (late && op != Op::kPoll) return -ETIMEDOUT;
  ModelRegion* region = nullptr;
  for (ModelRegion& one : regions) {
    if (one.number == slot.region) region = &one;
  }
  if (region == nullptr) return slot.region == closed_region ? -EBADF : -EACCES;
  const bool reads = op == Op::kRead || op == Op::kModify || op == Op::kPoll;
  const bool writes = op == Op::kWrite || op == Op::kDoorbell;
  if (op == Op::kCopyOut || op == Op::kCopyIn) return Copy(*region, slot);
  if (!reads && !writes) return -EOPNOTSUPP;
  int error = Check(*region, slot, slot.width, reads ? region->readable : region->writable);
  if (error != 0) return error;
  if (writes) return Write(*region, slot.offset, slot.width, slot.value);
  uint64_t seen = 0;
  error = Read(*region, slot.offset, slot.width, &seen);
  if (error != 0) return error;
  if (op == Op::kPoll && (seen & slot.mask) != slot.value) return slot.deadline_us >= kNever ? kWaits : -ETIMEDOUT;
  if (op == Op::kModify) {
    const uint64_t value = (seen & ~slot.mask) | (slot.value & slot.mask);
    error = Check(*region, slot, slot.width, region->writable);
    if (error == 0) error = Write(*region, slot.offset, slot.width, value);
  }
  slot.value = seen;
  return error;
}

int Model::RunStep(Slot& shared, uint64_t copied) {
  Slot copy = shared;
  if (copied > copy.length) return -EINVAL;
  copy.offset += copied;
  copy.buffer_offset += copied;
  copy.length -= static_cast<uint32_t>(copied);
  const Op op = static_cast<Op>(copy.op);
  if (op == Op::kModify || op == Op::kPoll) copy.value = copy.buffer_offset;
  const int status = Step(copy);
  if (status == kWaits) return status;
  shared.value = copy.value;
  shared.status = status;
  return status;
}

int Model::Program(const Slot& slot) {
  ModelBuffer* buffer = BufferOf(slot.buffer_number());
  // A number that was never given.
  if (buffer == nullptr) return -EACCES;
  const uint64_t size = buffer->bytes.size();
  if (slot.buffer_offset > size || slot.length > size - slot.buffer_offset) return -ERANGE;
  const uint64_t count = slot.length / sizeof(Slot);
  if (slot.length % sizeof(Slot) != 0 || slot.buffer_offset % alignof(Slot) != 0 || slot.value > count) return -EINVAL;
  auto* slots = reinterpret_cast<Slot*>(&buffer->bytes[slot.buffer_offset]);
  int failed = 0;
  for (uint64_t step = slot.value; step < count; step++) {
    if (failed != 0) {
      slots[step].status = -ECANCELED;
      continue;
    }
    // The producer can forge the progress of the first step.
    const int status = RunStep(slots[step], step == slot.value ? slot.mask : 0);
    if (status == kWaits) return kWaits;
    failed = status;
  }
  return failed;
}

int Model::Run(Slot& slot) {
  if (slot.cancelled != 0) return -ECANCELED;
  return static_cast<Op>(slot.op) == Op::kProgram ? Program(slot) : Step(slot);
}

}  // namespace fuzz
