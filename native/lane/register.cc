#include "common/register.h"
#include "lane/register_parts.h"

namespace vfio_engine {

void RegisterLane(Napi::Env env, Napi::Object exports) {
  RegisterRegionFunctions(env, exports);
  RegisterReachFunctions(env, exports);
  RegisterProgram(env, exports);
  RegisterLaneFunctions(env, exports);
  RegisterAffinity(env, exports);
}

}  // namespace vfio_engine
