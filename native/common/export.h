// Adds a function to the addon's exports.
#pragma once

#include "common/error.h"

namespace vfio_engine {

// Exports a function of plain Node-API as `name`, a string literal. `data` goes with each call.
// Thread: a JavaScript thread.
inline void ExportPlain(Napi::Env env, Napi::Object exports, const char* name, napi_callback function, void* data) {
  napi_value made;
  if (napi_create_function(env, name, NAPI_AUTO_LENGTH, function, data, &made) != napi_ok) throw Napi::Error::New(env);
  exports.Set(name, Napi::Value(env, made));
}

// Exports `function`, a Napi::Value(const Napi::CallbackInfo&), as `name`, a string literal. A SysError that it throws
// becomes a VfioError. Thread: a JavaScript thread.
template <Napi::Value (*function)(const Napi::CallbackInfo&)>
void Export(Napi::Env env, Napi::Object exports, const char* name) {
  // Not Napi::Function::New: it reads the arguments, for which it allocates, where no bad_alloc is caught.
  auto called = [](napi_env env, napi_callback_info arguments) -> napi_value {
    return Called(env, [&]() -> napi_value { return function(Napi::CallbackInfo(env, arguments)); });
  };
  // The name goes with each call as its data: error messages about arguments begin with it (common/args.cc).
  ExportPlain(env, exports, name, called, const_cast<char*>(name));
}

}  // namespace vfio_engine
