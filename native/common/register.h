// Each folder of the addon adds its functions to the exports with one of these functions.
#pragma once

#include <napi.h>

namespace vfio_engine {

void RegisterLinux(Napi::Env env, Napi::Object exports);     // linux/
void RegisterMemory(Napi::Env env, Napi::Object exports);    // memory/
void RegisterEvent(Napi::Env env, Napi::Object exports);     // event/
void RegisterVfioUser(Napi::Env env, Napi::Object exports);  // vfio_user/
void RegisterVfioPci(Napi::Env env, Napi::Object exports);   // vfio_pci/
void RegisterLane(Napi::Env env, Napi::Object exports);      // lane/

}  // namespace vfio_engine
