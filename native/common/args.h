// Reads the arguments of an exported function. What is of the wrong type or out of range is the caller's mistake: a
// TypeError or a RangeError with a `code`, before any system call. Thread: a JavaScript thread.
#pragma once

#include <napi.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

namespace vfio_engine {

[[noreturn]] inline void ThrowArgType(const Napi::CallbackInfo& info, size_t index, const char* expected) {
  auto error = Napi::TypeError::New(info.Env(), "argument " + std::to_string(index) + " is not " + expected);
  error.Set("code", Napi::String::New(info.Env(), "ERR_INVALID_ARGUMENT"));
  throw error;
}

[[noreturn]] inline void ThrowArgRange(const Napi::CallbackInfo& info, size_t index) {
  auto error = Napi::RangeError::New(info.Env(), "argument " + std::to_string(index) + " is out of range");
  error.Set("code", Napi::String::New(info.Env(), "ERR_OUT_OF_RANGE"));
  throw error;
}

// A whole number in [low, high]; both must be exact as doubles.
inline double ArgInteger(const Napi::CallbackInfo& info, size_t index, double low, double high) {
  double value = 0;
  // It tells the type by itself: to ask for that first makes each argument cost twice as much.
  if (napi_get_value_double(info.Env(), info[index], &value) != napi_ok) ThrowArgType(info, index, "a number");
  if (!(value >= low && value <= high) || value != std::trunc(value)) ThrowArgRange(info, index);
  return value;
}

inline int32_t ArgInt32(const Napi::CallbackInfo& info, size_t index) {
  using Limits = std::numeric_limits<int32_t>;
  return static_cast<int32_t>(ArgInteger(info, index, Limits::min(), Limits::max()));
}

inline uint32_t ArgUint32(const Napi::CallbackInfo& info, size_t index) {
  return static_cast<uint32_t>(ArgInteger(info, index, 0, std::numeric_limits<uint32_t>::max()));
}

// Any int is let through: what is not an open descriptor, the kernel says (EBADF).
inline int ArgFd(const Napi::CallbackInfo& info, size_t index) { return ArgInt32(info, index); }

// A count of bytes in [0, 2^53).
inline size_t ArgSize(const Napi::CallbackInfo& info, size_t index) {
  constexpr double kMaxSafeInteger = 9007199254740991.0;
  return static_cast<size_t>(ArgInteger(info, index, 0, kMaxSafeInteger));
}

inline uint64_t ArgUint64(const Napi::CallbackInfo& info, size_t index) {
  bool lossless = false;
  uint64_t value = 0;
  napi_status status = napi_get_value_bigint_uint64(info.Env(), info[index], &value, &lossless);
  if (status != napi_ok) ThrowArgType(info, index, "a bigint");
  if (!lossless) ThrowArgRange(info, index);
  return value;
}

// A file offset, signed as the kernel's; what lies above 2^63 is taken as its two's complement.
inline int64_t ArgOffset(const Napi::CallbackInfo& info, size_t index) {
  bool lossless = false;
  int64_t value = 0;
  napi_status status = napi_get_value_bigint_int64(info.Env(), info[index], &value, &lossless);
  if (status != napi_ok) ThrowArgType(info, index, "a bigint");
  return lossless ? value : static_cast<int64_t>(ArgUint64(info, index));
}

inline bool ArgBoolean(const Napi::CallbackInfo& info, size_t index) {
  bool value = false;
  if (napi_get_value_bool(info.Env(), info[index], &value) != napi_ok) ThrowArgType(info, index, "a boolean");
  return value;
}

inline std::string ArgString(const Napi::CallbackInfo& info, size_t index) {
  if (!info[index].IsString()) ThrowArgType(info, index, "a string");
  std::string value = info[index].As<Napi::String>().Utf8Value();
  // The kernel would read it only up to there, and so act on another name than the one given.
  if (value.find('\0') != std::string::npos) ThrowArgRange(info, index);
  return value;
}

// What a double says is an offset or a size.
inline bool IsOffset(double value) { return value >= 0 && value <= 9007199254740991.0; }

// The numbers stay valid while the caller's array lives and is not detached: use them before returning to JavaScript.
inline Napi::Float64Array ArgDoubles(const Napi::CallbackInfo& info, size_t index) {
  bool is_array = info[index].IsTypedArray();
  if (!is_array || info[index].As<Napi::TypedArray>().TypedArrayType() != napi_float64_array) {
    ThrowArgType(info, index, "a Float64Array");
  }
  return info[index].As<Napi::Float64Array>();
}

// The bytes, likewise.
inline Napi::Uint8Array ArgBytes(const Napi::CallbackInfo& info, size_t index) {
  if (!info[index].IsTypedArray() || info[index].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    ThrowArgType(info, index, "a Uint8Array");
  }
  return info[index].As<Napi::Uint8Array>();
}

}  // namespace vfio_engine
