// Reads the arguments of an exported function (common/export.h). A wrong argument is the caller's mistake: it throws a
// TypeError (ERR_INVALID_ARGUMENT) or a RangeError (ERR_OUT_OF_RANGE) before any system call.
// Thread: a JavaScript thread, for all functions of this file.
#pragma once

#include <napi.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace vfio_engine {

// The largest integer that a double holds exactly with all integers below it: 2^53 - 1.
constexpr double kMaxSafeInteger = 9007199254740991.0;

// Throw "NAME: argument INDEX must be EXPECTED. Received VALUE".
[[noreturn]] void ThrowArgType(const Napi::CallbackInfo& info, size_t index, const std::string& expected);
[[noreturn]] void ThrowArgRange(const Napi::CallbackInfo& info, size_t index, const std::string& expected);
// The same for an argument that is no integer in [low, high].
[[noreturn]] void ThrowArgInteger(const Napi::CallbackInfo& info, size_t index, double low, double high);

// Returns an integer in [low, high]. Both limits are exact as doubles.
inline double ArgInteger(const Napi::CallbackInfo& info, size_t index, double low, double high) {
  double value = 0;
  // This call checks the type too. Asking for the type first would double the cost of each argument.
  napi_status status = napi_get_value_double(info.Env(), info[index], &value);
  if (status != napi_ok || !(value >= low && value <= high) || value != std::trunc(value)) {
    ThrowArgInteger(info, index, low, high);
  }
  return value;
}

inline int32_t ArgInt32(const Napi::CallbackInfo& info, size_t index) {
  using Limits = std::numeric_limits<int32_t>;
  return static_cast<int32_t>(ArgInteger(info, index, Limits::min(), Limits::max()));
}

inline uint32_t ArgUint32(const Napi::CallbackInfo& info, size_t index) {
  return static_cast<uint32_t>(ArgInteger(info, index, 0, std::numeric_limits<uint32_t>::max()));
}

// Any int passes: for a number that is no open descriptor the kernel answers EBADF.
inline int ArgFd(const Napi::CallbackInfo& info, size_t index) { return ArgInt32(info, index); }

// A count of bytes, 0 to 2^53 - 1.
inline size_t ArgSize(const Napi::CallbackInfo& info, size_t index) {
  return static_cast<size_t>(ArgInteger(info, index, 0, kMaxSafeInteger));
}

// A handle of a table (common/handle_table.h): any integer that can be one.
inline uint64_t ArgHandle(const Napi::CallbackInfo& info, size_t index) {
  return static_cast<uint64_t>(ArgInteger(info, index, 0, kMaxSafeInteger));
}

// A number in [low, high] that need not be an integer.
double ArgNumber(const Napi::CallbackInfo& info, size_t index, double low, double high);
// A bigint, 0 to 2^64 - 1.
uint64_t ArgUint64(const Napi::CallbackInfo& info, size_t index);
// A file offset, a bigint from -2^63 to 2^64 - 1. The kernel's offsets are signed: from 2^63 on it is taken as its
// two's complement.
int64_t ArgOffset(const Napi::CallbackInfo& info, size_t index);
bool ArgBoolean(const Napi::CallbackInfo& info, size_t index);
// A string without NUL characters: the kernel reads a string up to the first one only, and would use another name.
std::string ArgString(const Napi::CallbackInfo& info, size_t index);
Napi::Function ArgFunction(const Napi::CallbackInfo& info, size_t index);
// An array of descriptors, which stay the caller's.
std::vector<int> ArgFds(const Napi::CallbackInfo& info, size_t index);

// Tells whether a double of JavaScript's is a possible offset or size.
inline bool IsOffset(double value) { return value >= 0 && value <= kMaxSafeInteger; }

// A typed array. Its elements are valid while the caller's array lives and is not detached: use them before the
// function returns to JavaScript.
Napi::Float64Array ArgDoubles(const Napi::CallbackInfo& info, size_t index);
Napi::Uint8Array ArgBytes(const Napi::CallbackInfo& info, size_t index);
Napi::Int32Array ArgInt32s(const Napi::CallbackInfo& info, size_t index);
Napi::BigUint64Array ArgUint64s(const Napi::CallbackInfo& info, size_t index);

}  // namespace vfio_engine
