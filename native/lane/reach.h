// What the operations of a lane, or the steps of a program, can reach: the regions and buffers that they were given.
// A slot names them by numbers of the lane or program, so that a wrong number never names what belongs to another one.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "common/handle_table.h"
#include "lane/dma_buffer.h"
#include "lane/region_table.h"

namespace vfio_engine {

class Reach {
 public:
  Reach() = default;
  ~Reach();
  Reach(const Reach&) = delete;
  Reach& operator=(const Reach&) = delete;

  // Gives a region by its handle, which need not be open, and returns its number, from 1 to 2^32 - 1. A number is never
  // given twice. Throws SysError(ENFILE) if 65,536 open regions are given or 2^32 numbers were. Thread: any.
  uint32_t AddRegion(uint64_t handle);
  // Takes a region away, if that was not done. An operation that has found it goes on. Throws SysError(EBADF) if the
  // number was never given. Thread: any.
  void RemoveRegion(uint32_t number);
  // Gives a buffer and returns its number, from 1 to 2^53 - 1, never given twice. Throws SysError(ENFILE) if 2^18
  // buffers are given. Thread: any.
  uint64_t AddBuffer(std::shared_ptr<DmaBuffer> buffer) { return buffers_.Add(std::move(buffer)); }
  // Takes a buffer away. An operation that has found it goes on. Throws SysError(EBADF). Thread: any.
  void RemoveBuffer(uint64_t number) { buffers_.Remove(number, "reachRemoveBuffer"); }

  // Returns the handle of a region, 0 if `number` names none. Takes no lock. Thread: any.
  uint64_t RegionOf(uint32_t number) const {
    const Entry* entry = EntryAt(Numbers::IndexOf(number));
    const uint64_t given = entry == nullptr ? 0 : entry->load(std::memory_order_relaxed);
    return given >> kRegionHandleBits == Numbers::GenerationOf(number) ? given & kHandleMask : 0;
  }
  // Returns null if `number` names no buffer. Thread: any.
  std::shared_ptr<DmaBuffer> BufferOf(uint64_t number) { return buffers_.Get(number); }
  // Return why a number names nothing: -EBADF if it was given once, -EACCES if it never was. Thread: any.
  int WhyNoRegion(uint32_t number);
  int WhyNoBuffer(uint64_t number) { return buffers_.WasIssued(number) ? -EBADF : -EACCES; }

 private:
  using Numbers = HandleNumbers<32, 16>;
  // The handle and above it the generation of the number, so that one load reads both; 0 for none.
  using Entry = std::atomic<uint64_t>;
  static_assert(Numbers::kLastGeneration <= ~uint64_t{0} >> kRegionHandleBits);
  static constexpr uint64_t kHandleMask = (uint64_t{1} << kRegionHandleBits) - 1;
  // Each part after the first has as many entries as all parts before it, so that entries never move.
  static constexpr unsigned kFirstBits = 4;
  static constexpr uint64_t kFirstPart = 1 << kFirstBits;
  static constexpr size_t kMoreParts = 12;
  static_assert(kFirstPart << kMoreParts == Numbers::kIndexMask + 1);

  static unsigned HighestBit(uint64_t index) { return 63 - static_cast<unsigned>(__builtin_clzll(index)); }
  const Entry* EntryAt(uint64_t index) const {
    if (index < kFirstPart) return &first_[index];
    const unsigned bit = HighestBit(index);
    const Entry* part = more_[bit - kFirstBits].load(std::memory_order_acquire);
    return part == nullptr ? nullptr : &part[index - (uint64_t{1} << bit)];
  }
  Entry* MakeEntry(uint64_t index);
  void ForgetClosedRegions();
  void Forget(uint64_t index);

  std::array<Entry, kFirstPart> first_{};
  std::array<std::atomic<Entry*>, kMoreParts> more_{};
  std::mutex mutex_;
  Numbers numbers_;
  HandleTable<DmaBuffer> buffers_;
};

}  // namespace vfio_engine
