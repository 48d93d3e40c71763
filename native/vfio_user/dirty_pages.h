// The record of pages that devices wrote: a bitmap in chunks, each allocated by the first write to one of its pages.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace vfio_engine {

class DirtyPages {
 public:
  // Starts a new record with pages of `page_size` bytes, a power of two. With 0 stops and drops the record. Returns 0
  // or -EINVAL. Thread: any.
  int Track(uint64_t page_size);
  // Marks the pages of a range. If there is no memory for the record, all pages count as written until the next Track:
  // the device has written already. `size` is above 0 and the range does not wrap. Thread: any.
  void Record(uint64_t iova, uint64_t size);
  // Fills `bits` with one bit for each `page_size` bytes from `iova`, the first in bit 0 of byte 0. With `clear` marks
  // these pages clean. Returns 0, -EINVAL, or -EOVERFLOW for more than 2^31 bits. Thread: any.
  int Take(uint64_t iova, uint64_t size, uint64_t page_size, bool clear, std::vector<uint8_t>& bits);

 private:
  static constexpr uint64_t kChunkPages = 32768;
  using Chunk = std::array<uint64_t, kChunkPages / 64>;

  std::atomic<bool> tracking_{false};
  void Mark(uint64_t first, uint64_t last);

  std::mutex mutex_;
  bool all_dirty_ = false;
  unsigned shift_ = 0;                                 // log2 of the page size
  std::map<uint64_t, std::unique_ptr<Chunk>> chunks_;  // by page number / kChunkPages
};

}  // namespace vfio_engine
