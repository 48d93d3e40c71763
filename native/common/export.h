// Adds a function to the addon's exports.
#pragma once

#include "common/error.h"

namespace vfio_engine {

// Exports `function`, a Napi::Value(const Napi::CallbackInfo&), as `name`, a string literal. A SysError that it throws
// becomes a VfioError. Thread: a JavaScript thread.
template <Napi::Value (*function)(const Napi::CallbackInfo&)>
void Export(Napi::Env env, Napi::Object exports, const char* name) {
  auto guarded = [](const Napi::CallbackInfo& info) -> Napi::Value {
    return Guard(info.Env(), [&info] { return function(info); });
  };
  // The name goes with each call as its data: error messages about arguments begin with it (common/args.cc).
  exports.Set(name, Napi::Function::New(env, guarded, name, const_cast<char*>(name)));
}

}  // namespace vfio_engine
