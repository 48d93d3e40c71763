// The clock that both sides are measured by.
#pragma once

#include <napi.h>
#include <time.h>

#include <cstdint>

inline uint64_t NowNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

// Runs `body` once and gives nanoseconds for each of `operations`.
template <class Body>
Napi::Value CostOf(Napi::Env env, double operations, Body body) {
  uint64_t start = NowNs();
  body();
  return Napi::Number::New(env, static_cast<double>(NowNs() - start) / operations);
}

// The bytes of a typed array, over shared memory as well.
inline uint8_t* BytesOf(const Napi::Value& value) {
  void* data = nullptr;
  napi_get_typedarray_info(value.Env(), value, nullptr, nullptr, &data, nullptr, nullptr);
  return static_cast<uint8_t*>(data);
}

void RegisterAccess(Napi::Env env, Napi::Object exports);
void RegisterLane(Napi::Env env, Napi::Object exports);
void RegisterMsi(Napi::Env env, Napi::Object exports);
void RegisterProgram(Napi::Env env, Napi::Object exports);
