// The exported function of programs. Its contract: lib/native/lane.ts.
#include "common/args.h"
#include "lane/program.h"
#include "lane/register_parts.h"

namespace vfio_engine {
namespace {

constexpr const char* kProgramRun = "programRun";

// Throws a RangeError about an argument. Returns null, for the caller to return.
napi_value Reject(napi_env env, napi_callback_info info, size_t index, const char* expected) {
  try {
    ThrowArgRange(Napi::CallbackInfo(env, info), index, expected);
  } catch (const Napi::Error& error) {
    error.ThrowAsJavaScriptException();
  }
  return nullptr;
}

// (slots: Uint8Array, count, ran = 0) => how many ran if the program has ended, else the bitwise complement of how many
// ran so far: the caller calls again with that count. Plain Node-API, which costs less: short programs run often.
napi_value ProgramRun(napi_env env, napi_callback_info info) {
  size_t argument_count = 3;
  napi_value arguments[3];
  napi_get_cb_info(env, info, &argument_count, arguments, nullptr, nullptr);
  napi_typedarray_type type = napi_int8_array;
  size_t length = 0;
  void* data = nullptr;
  napi_get_typedarray_info(env, arguments[0], &type, &length, &data, nullptr, nullptr);
  if (type != napi_uint8_array) return Reject(env, info, 0, "a Uint8Array");
  double count = -1;
  napi_get_value_double(env, arguments[1], &count);
  if (!(count >= 0 && count <= static_cast<double>(length / sizeof(Slot))) ||
      reinterpret_cast<uintptr_t>(data) % alignof(Slot) != 0) {
    return Reject(env, info, 1, "at most the count of slots in argument 0, which begins at a multiple of 8 bytes");
  }
  uint32_t ran = 0;
  if (argument_count > 2) napi_get_value_uint32(env, arguments[2], &ran);
  if (ran > count) return Reject(env, info, 2, "at most argument 1");
  bool ended = RunForATurn(static_cast<Slot*>(data), static_cast<uint32_t>(count), &ran);
  napi_value result = nullptr;
  napi_create_int32(env, static_cast<int32_t>(ended ? ran : ~ran), &result);
  return result;
}

}  // namespace

void RegisterProgram(Napi::Env env, Napi::Object exports) {
  napi_value function;
  void* name = const_cast<char*>(kProgramRun);
  if (napi_create_function(env, kProgramRun, NAPI_AUTO_LENGTH, ProgramRun, name, &function) != napi_ok) {
    throw Napi::Error::New(env);
  }
  exports.Set(kProgramRun, Napi::Value(env, function));
}

}  // namespace vfio_engine
