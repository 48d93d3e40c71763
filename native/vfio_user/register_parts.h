// The parts of this folder's functions, one file each.
#pragma once

#include <napi.h>

namespace vfio_engine {

void RegisterSockets(Napi::Env env, Napi::Object exports);
void RegisterDomains(Napi::Env env, Napi::Object exports);
void RegisterConnections(Napi::Env env, Napi::Object exports);

}  // namespace vfio_engine
