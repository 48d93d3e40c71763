// Reads the arguments of the addon's functions; what has the wrong type is a TypeError before anything is done.
#pragma once

#include <napi.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

#include "common/error.h"

namespace vfio_engine {
namespace arguments {

inline Napi::Value Need(const Napi::CallbackInfo& info, size_t i, bool (Napi::Value::*is)() const, const char* type) {
  if (!(info[i].*is)()) {
    throw Napi::TypeError::New(info.Env(), "argument " + std::to_string(i) + " is not a " + type);
  }
  return info[i];
}

inline int32_t Int32(const Napi::CallbackInfo& info, size_t i) {
  return Need(info, i, &Napi::Value::IsNumber, "number").As<Napi::Number>().Int32Value();
}

inline uint32_t Uint32(const Napi::CallbackInfo& info, size_t i) {
  return Need(info, i, &Napi::Value::IsNumber, "number").As<Napi::Number>().Uint32Value();
}

// Refuses what 64 bits cannot hold, instead of wrapping it.
inline uint64_t Uint64(const Napi::CallbackInfo& info, size_t i) {
  bool lossless = false;
  uint64_t value = Need(info, i, &Napi::Value::IsBigInt, "bigint").As<Napi::BigInt>().Uint64Value(&lossless);
  if (!lossless) throw Napi::RangeError::New(info.Env(), "argument " + std::to_string(i) + " is not 0 to 2^64 - 1");
  return value;
}

inline bool Bool(const Napi::CallbackInfo& info, size_t i) {
  return Need(info, i, &Napi::Value::IsBoolean, "boolean").As<Napi::Boolean>().Value();
}

inline std::string String(const Napi::CallbackInfo& info, size_t i) {
  return Need(info, i, &Napi::Value::IsString, "string").As<Napi::String>().Utf8Value();
}

// The memory of a typed array: valid until the function returns to JavaScript.
template <class Array>
inline Array Typed(const Napi::CallbackInfo& info, size_t i, napi_typedarray_type type) {
  Need(info, i, &Napi::Value::IsTypedArray, "typed array");
  if (info[i].As<Napi::TypedArray>().TypedArrayType() != type) {
    throw Napi::TypeError::New(info.Env(), "argument " + std::to_string(i) + " has elements of another type");
  }
  return info[i].As<Array>();
}

inline Napi::Uint8Array Bytes(const Napi::CallbackInfo& info, size_t i) {
  return Typed<Napi::Uint8Array>(info, i, napi_uint8_array);
}

// Numbers of descriptors, which stay the caller's.
inline std::vector<int> Fds(const Napi::CallbackInfo& info, size_t i) {
  Napi::Array array = Need(info, i, &Napi::Value::IsArray, "array").As<Napi::Array>();
  std::vector<int> fds(array.Length());
  for (uint32_t k = 0; k < fds.size(); k++) fds[k] = array.Get(k).ToNumber().Int32Value();
  return fds;
}

}  // namespace arguments
}  // namespace vfio_engine
