// Checks the numbers of handles (native/common/handle_numbers.h). Prints nothing if they are right.
#include "common/handle_numbers.h"

#include <cstdio>
#include <set>

using vfio_engine::HandleNumbers;
using vfio_engine::kHandleBits;

namespace {

constexpr uint64_t kMany = uint64_t{1} << 40;
int failures = 0;

void Expect(bool right, const char* what) {
  if (right) return;
  failures++;
  std::printf("wrong: %s\n", what);
}

// All numbers of a small table, with `open` of them in use at a time: none is 0 and none comes twice.
template <unsigned kBits, unsigned kIndexBits>
void TakeAll(size_t open) {
  using Numbers = HandleNumbers<kBits, kIndexBits>;
  Numbers numbers;
  std::set<uint64_t> seen;
  std::vector<uint64_t> used;
  for (;;) {
    const uint64_t number = numbers.Take();
    if (number == 0) break;
    Expect(number >> kBits == 0 && seen.insert(number).second, "a number comes once");
    Expect(numbers.WasTaken(number), "a number is known once it was taken");
    used.push_back(number);
    if (used.size() < open) continue;
    numbers.GiveBack(used.front());
    used.erase(used.begin());
  }
  const uint64_t all = (Numbers::kIndexMask + 1) * Numbers::kLastGeneration;
  // Without any in use, every number is given before the table has no more.
  Expect(open > 1 || seen.size() == all, "all numbers are given");
  Expect(!numbers.WasTaken(0) && !numbers.WasTaken(~uint64_t{0} >> (64 - kBits - 1)), "other numbers were not");
}

// What a table of `kIndexBits` gives when each index was used 2^40 times or as often as it can.
template <unsigned kBits, unsigned kIndexBits>
constexpr bool LastsLong() {
  using Numbers = HandleNumbers<kBits, kIndexBits>;
  return (Numbers::kIndexMask + 1) * Numbers::kLastGeneration >= kMany &&
         Numbers::NumberOf(Numbers::kIndexMask, Numbers::kLastGeneration) < uint64_t{1} << kBits;
}

// Number `use` of a table that always has one object: the generations of an index, and then the next index.
template <unsigned kBits, unsigned kIndexBits>
constexpr uint64_t NumberOfUse(uint64_t use) {
  using Numbers = HandleNumbers<kBits, kIndexBits>;
  return Numbers::NumberOf(use / Numbers::kLastGeneration, use % Numbers::kLastGeneration + 1);
}

static_assert(LastsLong<48, 16>(), "regions");
static_assert(LastsLong<kHandleBits, 18>(), "lanes, workers, mappings, buffers");
static_assert(NumberOfUse<kHandleBits, 18>(0) == 0x40000);
static_assert(NumberOfUse<kHandleBits, 18>(kMany) != NumberOfUse<kHandleBits, 18>(0));
static_assert(NumberOfUse<kHandleBits, 18>(kMany) == (33 << 18 | 32), "the 33rd index, after 32 whole ones");
static_assert(NumberOfUse<kHandleBits, 18>(kMany) < uint64_t{1} << 53, "exact in JavaScript");

}  // namespace

int main() {
  TakeAll<10, 3>(1);
  TakeAll<10, 3>(3);
  TakeAll<12, 4>(16);
  TakeAll<9, 8>(2);
  return failures == 0 ? 0 : 1;
}
