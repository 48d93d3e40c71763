#include "common/register.h"

#include "vfio_user/register_parts.h"

namespace vfio_engine {

void RegisterVfioUser(Napi::Env env, Napi::Object exports) {
  RegisterSockets(env, exports);
  RegisterDomains(env, exports);
  RegisterConnections(env, exports);
}

}  // namespace vfio_engine
