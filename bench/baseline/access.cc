// Accesses in C: loops of volatile loads and stores, pread, a block copy.
#include <unistd.h>

#include <cstdlib>

#include "baseline.h"

namespace {

constexpr uint32_t kBlockWords = 4096 / 4;
// The words that the cases of raw views access: they fit into the first-level cache.
constexpr uint32_t kWindow = 16384 / 4;

// Unrolled, as the loops of bench/cases/view-*.ts are.
#define SIXTEEN(access)                                                                                          \
  access(0) access(1) access(2) access(3) access(4) access(5) access(6) access(7) access(8) access(9) access(10) \
      access(11) access(12) access(13) access(14) access(15)

// (bytes: Uint8Array, accesses: number, a multiple of 4096)
Napi::Value Read32(const Napi::CallbackInfo& info) {
  auto* words = reinterpret_cast<volatile uint32_t*>(BytesOf(info[0]));
  uint32_t accesses = info[1].As<Napi::Number>().Uint32Value();
  uint32_t sum = 0;
  for (uint32_t round = 0; round < accesses / kWindow; round++) {
// Adds in order, as V8 does. GCC would use several sums, which is faster but measures the adding and not the reading.
#define READ(k)        \
  sum += words[i + k]; \
  asm("" : "+r"(sum));
    for (uint32_t i = 0; i < kWindow; i += 16) {
      SIXTEEN(READ)
    }
  }
  asm volatile("" : : "r"(sum));
  return info.Env().Undefined();
}

// (bytes: Uint8Array, accesses: number, a multiple of 4096)
Napi::Value Write32(const Napi::CallbackInfo& info) {
  auto* words = reinterpret_cast<volatile uint32_t*>(BytesOf(info[0]));
  uint32_t accesses = info[1].As<Napi::Number>().Uint32Value();
  for (uint32_t round = 0; round < accesses / kWindow; round++) {
#define WRITE(k) words[i + k] = round;
#define WRITE_ON(k) words[i + 16 + k] = round;
    for (uint32_t i = 0; i < kWindow; i += 32) {
      SIXTEEN(WRITE) SIXTEEN(WRITE_ON)
    }
  }
  return info.Env().Undefined();
}

// (fd, fileOffset, accesses): preads of four bytes.
Napi::Value Pread32(const Napi::CallbackInfo& info) {
  int fd = info[0].As<Napi::Number>().Int32Value();
  off_t offset = static_cast<off_t>(info[1].As<Napi::Number>().Int64Value());
  uint32_t accesses = info[2].As<Napi::Number>().Uint32Value();
  uint32_t value = 0;
  for (uint32_t i = 0; i < accesses; i++) {
    if (pread(fd, &value, sizeof(value), offset) != sizeof(value)) abort();
  }
  return info.Env().Undefined();
}

// (source, target, rounds): copies of 4 KiB by 32-bit accesses.
Napi::Value BlockCopy(const Napi::CallbackInfo& info) {
  auto* source = reinterpret_cast<volatile uint32_t*>(BytesOf(info[0]));
  auto* target = reinterpret_cast<uint32_t*>(BytesOf(info[1]));
  uint32_t rounds = info[2].As<Napi::Number>().Uint32Value();
  for (uint32_t round = 0; round < rounds; round++) {
    for (uint32_t i = 0; i < kBlockWords; i++) target[i] = source[i];
    asm volatile("" : : : "memory");
  }
  return info.Env().Undefined();
}

// (handle, offset) => value, (handle, offset, value): Node-API calls that make the access and nothing else.
uint8_t* bare_memory = nullptr;
Napi::Value SetBareMemory(const Napi::CallbackInfo& info) {
  bare_memory = BytesOf(info[0]);
  return info.Env().Undefined();
}

napi_value BareRead32(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value arguments[2];
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  uint32_t handle, offset;
  napi_get_value_uint32(env, arguments[0], &handle);
  napi_get_value_uint32(env, arguments[1], &offset);
  napi_value result;
  napi_create_uint32(env, *reinterpret_cast<volatile uint32_t*>(bare_memory + offset), &result);
  return result;
}

napi_value BareWrite32(napi_env env, napi_callback_info info) {
  size_t count = 3;
  napi_value arguments[3];
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  uint32_t handle, offset, value;
  napi_get_value_uint32(env, arguments[0], &handle);
  napi_get_value_uint32(env, arguments[1], &offset);
  napi_get_value_uint32(env, arguments[2], &value);
  *reinterpret_cast<volatile uint32_t*>(bare_memory + offset) = value;
  return nullptr;
}

void ExportRaw(Napi::Env env, Napi::Object exports, const char* name, napi_callback callback) {
  napi_value function;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function);
  exports.Set(name, Napi::Value(env, function));
}

}  // namespace

void RegisterAccess(Napi::Env env, Napi::Object exports) {
  exports.Set("read32", Napi::Function::New(env, Read32));
  exports.Set("write32", Napi::Function::New(env, Write32));
  exports.Set("pread32", Napi::Function::New(env, Pread32));
  exports.Set("blockCopy", Napi::Function::New(env, BlockCopy));
  exports.Set("setBareMemory", Napi::Function::New(env, SetBareMemory));
  ExportRaw(env, exports, "bareRead32", BareRead32);
  ExportRaw(env, exports, "bareWrite32", BareWrite32);
}
