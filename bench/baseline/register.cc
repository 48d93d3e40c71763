// The entry point of the addon.
#include "baseline.h"

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  RegisterAccess(env, exports);
  RegisterLane(env, exports);
  RegisterMsi(env, exports);
  RegisterProgram(env, exports);
  return exports;
}

NODE_API_MODULE(vfio_engine_baseline, Init)
