#pragma once

#include <napi.h>

namespace vfio_engine {

void RegisterPins(Napi::Env env, Napi::Object exports);

}  // namespace vfio_engine
