#include "common/register.h"

namespace vfio_engine {

void RegisterLinux(Napi::Env env, Napi::Object exports) {}

}  // namespace vfio_engine
