#pragma once

#include <napi.h>

namespace vfio_engine {

void RegisterRegionFunctions(Napi::Env env, Napi::Object exports);
void RegisterReachFunctions(Napi::Env env, Napi::Object exports);
void RegisterProgram(Napi::Env env, Napi::Object exports);
void RegisterLaneFunctions(Napi::Env env, Napi::Object exports);
void RegisterAffinity(Napi::Env env, Napi::Object exports);

}  // namespace vfio_engine
