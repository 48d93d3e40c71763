// A group, such as /dev/vfio/26 or /dev/vfio/noiommu-0.
#include "linux/call.h"

namespace vfio_engine {
namespace {

Napi::Value GroupOpen(const Napi::CallbackInfo& info) {
  return OpenAsync(info.Env(), "/dev/vfio/" + ArgFileName(info, 0));
}

Napi::Value GroupGetStatus(const Napi::CallbackInfo& info) {
  vfio_group_status status = {};
  status.argsz = ArgArgsz(info, 1, sizeof(status));
  Ioctl(ArgFd(info, 0), VFIO_GROUP_GET_STATUS, "VFIO_GROUP_GET_STATUS", &status);
  return Napi::Number::New(info.Env(), status.flags);
}

Napi::Value GroupSetContainer(const Napi::CallbackInfo& info) {
  int group = ArgFd(info, 0);
  int container = ArgFd(info, 1);
  auto work = [=]() mutable { Ioctl(group, VFIO_GROUP_SET_CONTAINER, "VFIO_GROUP_SET_CONTAINER", &container); };
  return RunEitherVoid(info.Env(), ArgBoolean(info, 2), work);
}

Napi::Value GroupUnsetContainer(const Napi::CallbackInfo& info) {
  int group = ArgFd(info, 0);
  auto work = [=] { Ioctl(group, VFIO_GROUP_UNSET_CONTAINER, "VFIO_GROUP_UNSET_CONTAINER"); };
  return RunEitherVoid(info.Env(), ArgBoolean(info, 1), work);
}

// (group, name) => Promise<fd>. Opening a device resets it and may have to wake it up.
Napi::Value GroupGetDeviceFd(const Napi::CallbackInfo& info) {
  int group = ArgFd(info, 0);
  auto work = [group, name = ArgString(info, 1)]() mutable {
    return UniqueFd(Ioctl(group, VFIO_GROUP_GET_DEVICE_FD, "VFIO_GROUP_GET_DEVICE_FD", name.data()));
  };
  return RunAsync(info.Env(), std::move(work),
                  [](Napi::Env env, UniqueFd fd) -> Napi::Value { return Napi::Number::New(env, fd.Release()); });
}

}  // namespace

void RegisterGroup(Napi::Env env, Napi::Object exports) {
  Export<GroupOpen>(env, exports, "groupOpen");
  Export<GroupGetStatus>(env, exports, "groupGetStatus");
  Export<GroupSetContainer>(env, exports, "groupSetContainer");
  Export<GroupUnsetContainer>(env, exports, "groupUnsetContainer");
  Export<GroupGetDeviceFd>(env, exports, "groupGetDeviceFd");
}

}  // namespace vfio_engine
