// The record of pages that devices wrote: a bitmap by page, in chunks that exist once something in them was written.
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
  // `page_size` is a power of two and starts a new record; 0 stops and forgets. Returns 0 or -EINVAL. Thread: any.
  int Track(uint64_t page_size);
  // Thread: any. `size` is above 0 and the range does not wrap.
  void Record(uint64_t iova, uint64_t size);
  // Fills a bit for each `page_size` bytes from `iova` on, first in bit 0 of byte 0; what was taken is clean again when
  // `clear`. Returns 0, -EINVAL, or -EOVERFLOW for more than 2^31 bits. Thread: any.
  int Take(uint64_t iova, uint64_t size, uint64_t page_size, bool clear, std::vector<uint8_t>& bits);

 private:
  static constexpr uint64_t kChunkPages = 32768;
  using Chunk = std::array<uint64_t, kChunkPages / 64>;

  std::atomic<bool> tracking_{false};
  std::mutex mutex_;
  unsigned shift_ = 0;                                 // log2 of the page size
  std::map<uint64_t, std::unique_ptr<Chunk>> chunks_;  // by page number / kChunkPages
};

}  // namespace vfio_engine
