// Adds a function to the addon's exports.
#pragma once

#include "common/error.h"

namespace vfio_engine {

// `function` is Napi::Value(const Napi::CallbackInfo&); what it throws arrives in JavaScript as a VfioError.
template <Napi::Value (*function)(const Napi::CallbackInfo&)>
void Export(Napi::Env env, Napi::Object exports, const char* name) {
  auto guarded = [](const Napi::CallbackInfo& info) -> Napi::Value {
    return Guard(info.Env(), [&info] { return function(info); });
  };
  exports.Set(name, Napi::Function::New(env, guarded, name));
}

}  // namespace vfio_engine
