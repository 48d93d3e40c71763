#include "vfio_user/dirty_pages.h"

#include <algorithm>
#include <cerrno>
#include <new>

namespace vfio_engine {
namespace {

bool IsPowerOfTwo(uint64_t value) { return value != 0 && (value & (value - 1)) == 0; }

}  // namespace

int DirtyPages::Track(uint64_t page_size) {
  if (page_size != 0 && !IsPowerOfTwo(page_size)) return -EINVAL;
  std::lock_guard<std::mutex> lock(mutex_);
  chunks_.clear();
  all_dirty_ = false;
  if (page_size != 0) shift_ = static_cast<unsigned>(__builtin_ctzll(page_size));
  tracking_.store(page_size != 0, std::memory_order_release);
  return 0;
}

void DirtyPages::Record(uint64_t iova, uint64_t size) {
  if (!tracking_.load(std::memory_order_acquire)) return;
  std::lock_guard<std::mutex> lock(mutex_);
  if (!tracking_.load(std::memory_order_relaxed)) return;
  try {
    Mark(iova >> shift_, (iova + (size - 1)) >> shift_);
  } catch (const std::bad_alloc&) {
    all_dirty_ = true;
  }
}

void DirtyPages::Mark(uint64_t first, uint64_t last) {
  for (uint64_t page = first;; page++) {
    // Before its entry: an entry is never empty.
    std::unique_ptr<Chunk> made;
    if (chunks_.count(page / kChunkPages) == 0) made = std::make_unique<Chunk>(Chunk{});
    std::unique_ptr<Chunk>& chunk = chunks_[page / kChunkPages];
    if (chunk == nullptr) chunk = std::move(made);
    uint64_t index = page % kChunkPages;
    (*chunk)[index / 64] |= uint64_t{1} << (index % 64);
    if (page == last) return;
  }
}

int DirtyPages::Take(uint64_t iova, uint64_t size, uint64_t page_size, bool clear, std::vector<uint8_t>& bits) {
  if (!IsPowerOfTwo(page_size) || size == 0 || size - 1 > ~uint64_t{0} - iova) return -EINVAL;
  uint64_t count = (size - 1) / page_size + 1;
  if (count > uint64_t{1} << 31) return -EOVERFLOW;
  uint64_t last = iova + (size - 1);
  std::lock_guard<std::mutex> lock(mutex_);
  bits.assign((count + 7) / 8, all_dirty_ ? 0xFF : 0);
  if (all_dirty_ && count % 8 != 0) bits.back() = static_cast<uint8_t>((1u << (count % 8)) - 1);
  uint64_t last_page = last >> shift_;
  for (auto it = chunks_.lower_bound((iova >> shift_) / kChunkPages); it != chunks_.end(); ++it) {
    uint64_t base = it->first * kChunkPages;
    if (base > last_page) break;
    for (uint64_t index = 0; index < kChunkPages; index++) {
      uint64_t& word = (*it->second)[index / 64];
      if (word == 0) {
        index |= 63;
        continue;
      }
      uint64_t mask = uint64_t{1} << (index % 64);
      uint64_t page = base + index;
      if ((word & mask) == 0 || page < iova >> shift_ || page > last_page) continue;
      // A page of the record can cover several pages of the result, or a part of one.
      uint64_t start = std::max(iova, page << shift_);
      uint64_t end = std::min(last, (page << shift_) + ((uint64_t{1} << shift_) - 1));
      for (uint64_t bit = (start - iova) / page_size; bit <= (end - iova) / page_size; bit++) {
        bits[bit / 8] |= static_cast<uint8_t>(1u << (bit % 8));
      }
      if (clear) word &= ~mask;
    }
  }
  return 0;
}

}  // namespace vfio_engine
