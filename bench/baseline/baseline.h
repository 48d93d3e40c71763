// What the files of the addon share.
#pragma once

#include <napi.h>
#include <time.h>

#include <cstdint>

// Returns CLOCK_MONOTONIC in nanoseconds, the clock of process.hrtime.
inline uint64_t NowNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

// Returns the bytes of a typed array, over shared memory too. They are the caller's.
inline uint8_t* BytesOf(const Napi::Value& value) {
  void* data = nullptr;
  napi_get_typedarray_info(value.Env(), value, nullptr, nullptr, &data, nullptr, nullptr);
  return static_cast<uint8_t*>(data);
}

void RegisterAccess(Napi::Env env, Napi::Object exports);
void RegisterLane(Napi::Env env, Napi::Object exports);
void RegisterMsi(Napi::Env env, Napi::Object exports);
void RegisterProgram(Napi::Env env, Napi::Object exports);
