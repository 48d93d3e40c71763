// The container, /dev/vfio/vfio.
#include "linux/call.h"

namespace vfio_engine {
namespace {

Napi::Value ContainerOpen(const Napi::CallbackInfo& info) { return OpenNow(info.Env(), "/dev/vfio/vfio"); }

Napi::Value ContainerGetApiVersion(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), Ioctl(ArgFd(info, 0), VFIO_GET_API_VERSION, "VFIO_GET_API_VERSION"));
}

Napi::Value ContainerCheckExtension(const Napi::CallbackInfo& info) {
  uint32_t extension = ArgUint32(info, 1);
  int answer = Ioctl(ArgFd(info, 0), VFIO_CHECK_EXTENSION, "VFIO_CHECK_EXTENSION", extension);
  return Napi::Number::New(info.Env(), answer);
}

// (container, type). Attaches every group of the container to a new IOMMU without mappings, which does not block.
Napi::Value ContainerSetIommu(const Napi::CallbackInfo& info) {
  int fd = ArgFd(info, 0);
  uint32_t type = ArgUint32(info, 1);
  Ioctl(fd, VFIO_SET_IOMMU, "VFIO_SET_IOMMU", type);
  return info.Env().Undefined();
}

}  // namespace

void RegisterContainer(Napi::Env env, Napi::Object exports) {
  Export<ContainerOpen>(env, exports, "containerOpen");
  Export<ContainerGetApiVersion>(env, exports, "containerGetApiVersion");
  Export<ContainerCheckExtension>(env, exports, "containerCheckExtension");
  Export<ContainerSetIommu>(env, exports, "containerSetIommu");
}

}  // namespace vfio_engine
