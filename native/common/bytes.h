// Copies bytes into JavaScript.
#pragma once

#include <napi.h>

#include <cstring>
#include <vector>

namespace vfio_engine {

// Returns a copy, so that the source may be freed at once. Thread: a JavaScript thread.
inline Napi::Uint8Array ToUint8Array(Napi::Env env, const void* data, size_t length) {
  Napi::Uint8Array array = Napi::Uint8Array::New(env, length);
  if (length > 0) std::memcpy(array.Data(), data, length);
  return array;
}

inline Napi::Uint8Array ToUint8Array(Napi::Env env, const std::vector<uint8_t>& bytes) {
  return ToUint8Array(env, bytes.data(), bytes.size());
}

}  // namespace vfio_engine
