// The addon's entry point. It runs once for each environment (the main thread and every worker).

// Defines NODE_MODULE_VERSION. It also defines NAPI_VERSION, which binding.gyp has chosen.
#pragma push_macro("NAPI_VERSION")
#undef NAPI_VERSION
#include <node_version.h>
#pragma pop_macro("NAPI_VERSION")

#include <string>

#include "common/export.h"
#include "common/register.h"

namespace vfio_engine {
namespace {

// (factory: (errno, syscall) => VfioError)
Napi::Value SetErrorFactory(const Napi::CallbackInfo& info) {
  info.Env().GetInstanceData<AddonData>()->error_factory = Napi::Persistent(info[0].As<Napi::Function>());
  return info.Env().Undefined();
}

// Node-API is the same in all versions of Node.js, but V8's classes, which we need for a SharedArrayBuffer, are not. If
// a symbol is missing, dlopen fails, because the addon is linked with `-z now`. This refuses the versions that have all
// symbols, whose objects may differ all the same.
void RequireSameAbi(Napi::Env env) {
  const std::string built = std::to_string(NODE_MODULE_VERSION);
  Napi::Object versions = env.Global().Get("process").As<Napi::Object>().Get("versions").As<Napi::Object>();
  const std::string found = versions.Get("modules").ToString();
  if (found == built) return;
  throw Napi::Error::New(env, "it was built with Node.js " NODE_VERSION " (ABI " + built + "), and this Node.js, v" +
                                  versions.Get("node").ToString().Utf8Value() + ", has the ABI " + found);
}

// A thread that starts while there is no memory left must not end the process.
Napi::Object Init(Napi::Env env, Napi::Object exports) {
  return Guard(env, [&] {
    RequireSameAbi(env);
    env.SetInstanceData(new AddonData());
    Export<SetErrorFactory>(env, exports, "setErrorFactory");
    RegisterLinux(env, exports);
    RegisterMemory(env, exports);
    RegisterEvent(env, exports);
    RegisterVfioUser(env, exports);
    RegisterVfioPci(env, exports);
    RegisterLane(env, exports);
    return exports;
  });
}

}  // namespace

NODE_API_MODULE(vfio_engine, Init)

}  // namespace vfio_engine
