// Runs a program: slots in order on the calling thread, in one crossing.
#include "lane/execute.h"
#include "lane/register_parts.h"

namespace vfio_engine {

// Runs slots until one fails, and puts a status into each; those after the failed one get ECANCELED. Returns how many ran.
// Visible to other native code of the process, which finds it by dlsym(3): the benchmark's C side runs the same steps.
// Thread: one that may block for as long as the steps wait. `slots` is 8-byte aligned.
extern "C" __attribute__((visibility("default"))) uint32_t vfio_engine_program_run(Slot* slots, uint32_t count) {
  LastBuffer last;
  uint32_t ran = 0;
  int status = 0;
  while (ran < count && status == 0) {
    // A copy: the memory may be shared, and what was checked must be what is done.
    Slot copy = slots[ran];
    do {
      status = Execute(copy, last);
    } while (status == kAgain);
    slots[ran].value = copy.value;
    slots[ran].status = status;
    ran++;
  }
  for (uint32_t i = ran; i < count; i++) slots[i].status = -ECANCELED;
  return ran;
}

namespace {

napi_value Refuse(napi_env env, const char* message) {
  napi_throw_range_error(env, "ERR_OUT_OF_RANGE", message);
  return nullptr;
}

// (slots: Uint8Array, count) => how many ran. Plain Node-API: short programs are run often.
napi_value ProgramRun(napi_env env, napi_callback_info info) {
  size_t argument_count = 2;
  napi_value arguments[2];
  napi_get_cb_info(env, info, &argument_count, arguments, nullptr, nullptr);
  napi_typedarray_type type = napi_int8_array;
  size_t length = 0;
  void* data = nullptr;
  napi_get_typedarray_info(env, arguments[0], &type, &length, &data, nullptr, nullptr);
  if (type != napi_uint8_array) return Refuse(env, "argument 0 is not a Uint8Array");
  double count = -1;
  napi_get_value_double(env, arguments[1], &count);
  if (!(count >= 0 && count <= static_cast<double>(length / sizeof(Slot))) ||
      reinterpret_cast<uintptr_t>(data) % alignof(Slot) != 0) {
    return Refuse(env, "argument 1 is out of range");
  }
  uint32_t ran = vfio_engine_program_run(static_cast<Slot*>(data), static_cast<uint32_t>(count));
  napi_value result = nullptr;
  napi_create_uint32(env, ran, &result);
  return result;
}

}  // namespace

void RegisterProgram(Napi::Env env, Napi::Object exports) {
  napi_value function;
  if (napi_create_function(env, "programRun", NAPI_AUTO_LENGTH, ProgramRun, nullptr, &function) != napi_ok) {
    throw Napi::Error::New(env);
  }
  exports.Set("programRun", Napi::Value(env, function));
}

}  // namespace vfio_engine
