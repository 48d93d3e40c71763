#include "common/register.h"

#include "linux/call.h"

namespace vfio_engine {

void RegisterLinux(Napi::Env env, Napi::Object exports) {
  RegisterContainer(env, exports);
  RegisterType1(env, exports);
  RegisterGroup(env, exports);
  RegisterDevice(env, exports);
  RegisterDeviceInfos(env, exports);
  RegisterDeviceIo(env, exports);
  RegisterDeviceFeature(env, exports);
  RegisterSysfs(env, exports);
  RegisterPci(env, exports);
  RegisterCdev(env, exports);
  RegisterIoas(env, exports);
  RegisterHwpt(env, exports);
}

}  // namespace vfio_engine
