// The addon's entry point. It runs once for each environment (the main thread and every worker).
#include "common/error.h"
#include "common/register.h"

namespace vfio_engine {
namespace {

// (factory: (errno, syscall) => VfioError)
void SetErrorFactory(const Napi::CallbackInfo& info) {
  info.Env().GetInstanceData<AddonData>()->error_factory = Napi::Persistent(info[0].As<Napi::Function>());
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new AddonData());
  exports.Set("setErrorFactory", Napi::Function::New(env, SetErrorFactory));
  RegisterLinux(env, exports);
  RegisterMemory(env, exports);
  RegisterEvent(env, exports);
  RegisterVfioUser(env, exports);
  RegisterLane(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(vfio_engine, Init)

}  // namespace vfio_engine
