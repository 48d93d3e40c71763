// The numbers of a table's objects. A number is an index and a generation. A number that was given out once is never
// given out again: an index whose generations are used up is not used any more.
#pragma once

#include <cstdint>
#include <vector>

namespace vfio_engine {

// `kBits` are the bits of a number, `kIndexBits` those of its index. Not synchronized: its owner has a lock.
template <unsigned kBits, unsigned kIndexBits>
class HandleNumbers {
  static_assert(kIndexBits < kBits && kBits <= 64);

 public:
  static constexpr uint64_t kIndexMask = (uint64_t{1} << kIndexBits) - 1;
  static constexpr uint64_t kLastGeneration = (uint64_t{1} << (kBits - kIndexBits)) - 1;

  static constexpr uint64_t NumberOf(uint64_t index, uint64_t generation) { return generation << kIndexBits | index; }
  static constexpr uint64_t IndexOf(uint64_t number) { return number & kIndexMask; }
  static constexpr uint64_t GenerationOf(uint64_t number) { return number >> kIndexBits; }

  // Returns a number that was never returned before and is not 0; 0 if there is none left. Throws bad_alloc.
  uint64_t Take() {
    if (!free_.empty()) {
      const uint64_t number = free_.back();
      free_.pop_back();
      generations_[IndexOf(number)] = GenerationOf(number);
      return number;
    }
    if (generations_.size() > kIndexMask) return 0;
    // So that GiveBack allocates nothing.
    if (free_.capacity() <= generations_.size()) free_.reserve(2 * generations_.size() + 1);
    generations_.push_back(1);
    return NumberOf(generations_.size() - 1, 1);
  }

  // Lets the index of a number that was taken be used again, by another number.
  void GiveBack(uint64_t number) {
    const uint64_t generation = GenerationOf(number);
    if (generation < kLastGeneration) free_.push_back(NumberOf(IndexOf(number), generation + 1));
  }

  // Tells whether a number was ever taken.
  bool WasTaken(uint64_t number) const {
    const uint64_t index = IndexOf(number);
    return index < generations_.size() && GenerationOf(number) > 0 && GenerationOf(number) <= generations_[index];
  }

  // How many indexes are used, or were.
  uint64_t size() const { return generations_.size(); }
  // Tells whether the next number needs an index that was never used.
  bool NeedsNewIndex() const { return free_.empty(); }

 private:
  // The numbers that come next on indexes that are free.
  std::vector<uint64_t> free_;
  // The last generation taken of each index.
  std::vector<uint64_t> generations_;
};

// JavaScript has integers of 53 bits.
constexpr unsigned kHandleBits = 53;

}  // namespace vfio_engine
