// Reads values from the bytes of a fuzzer, and states what must hold.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace fuzz {

// The bytes of one run. Behind their end all values are 0.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : at_(data), left_(size) {}

  template <class Value>
  Value Take() {
    Value value{};
    const size_t count = std::min(left_, sizeof(Value));
    if (count > 0) std::memcpy(&value, at_, count);
    Skip(count);
    return value;
  }
  uint8_t U8() { return Take<uint8_t>(); }
  uint16_t U16() { return Take<uint16_t>(); }
  uint32_t U32() { return Take<uint32_t>(); }
  // Takes at most `most` bytes.
  std::vector<uint8_t> Bytes(size_t most) {
    const size_t count = std::min(left_, most);
    std::vector<uint8_t> bytes(at_, at_ + count);
    Skip(count);
    return bytes;
  }
  size_t left() const { return left_; }

 private:
  void Skip(size_t count) {
    at_ += count;
    left_ -= count;
  }
  const uint8_t* at_;
  size_t left_;
};

// Ends the run as a finding if `holds` is false.
inline void Require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "violated: %s\n", what);
  std::abort();
}

}  // namespace fuzz
