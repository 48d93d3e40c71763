// A device by its own node, such as /dev/vfio/devices/vfio0, and its iommufd.
#include "linux/call.h"

namespace vfio_engine {
namespace {

Napi::Value CdevOpen(const Napi::CallbackInfo& info) {
  return OpenNow(info.Env(), "/dev/vfio/devices/" + ArgFileName(info, 0));
}

Napi::Value ToNumber(Napi::Env env, uint32_t value) { return Napi::Number::New(env, value); }

// (device, iommufd) => Promise<the device's id in the iommufd>. Opens the device, as VFIO_GROUP_GET_DEVICE_FD does.
Napi::Value CdevBindIommufd(const Napi::CallbackInfo& info) {
  int device = ArgFd(info, 0);
  uapi::DeviceBindIommufd request = {};
  request.argsz = sizeof(request);
  request.iommufd = ArgFd(info, 1);
  auto work = [=]() mutable {
    Ioctl(device, uapi::kDeviceBindIommufd, "VFIO_DEVICE_BIND_IOMMUFD", &request);
    return request.out_devid;
  };
  return RunAsync(info.Env(), work, ToNumber);
}

// (device, ptId, sleeps) => the id of the page table that the device uses. For an IOAS the kernel makes a page table.
Napi::Value CdevAttachIommufdPt(const Napi::CallbackInfo& info) {
  int device = ArgFd(info, 0);
  uapi::DeviceAttachIommufdPt request = {};
  request.argsz = sizeof(request);
  request.pt_id = ArgUint32(info, 1);
  auto work = [=]() mutable {
    Ioctl(device, uapi::kDeviceAttachIommufdPt, "VFIO_DEVICE_ATTACH_IOMMUFD_PT", &request);
    return request.pt_id;
  };
  return RunEither(info.Env(), ArgBoolean(info, 2), work, ToNumber);
}

Napi::Value CdevDetachIommufdPt(const Napi::CallbackInfo& info) {
  int device = ArgFd(info, 0);
  uapi::DeviceDetachIommufdPt request = {};
  request.argsz = sizeof(request);
  auto work = [=]() mutable { Ioctl(device, uapi::kDeviceDetachIommufdPt, "VFIO_DEVICE_DETACH_IOMMUFD_PT", &request); };
  return RunEitherVoid(info.Env(), ArgBoolean(info, 1), work);
}

}  // namespace

void RegisterCdev(Napi::Env env, Napi::Object exports) {
  Export<CdevOpen>(env, exports, "cdevOpen");
  Export<CdevBindIommufd>(env, exports, "cdevBindIommufd");
  Export<CdevAttachIommufdPt>(env, exports, "cdevAttachIommufdPt");
  Export<CdevDetachIommufdPt>(env, exports, "cdevDetachIommufdPt");
}

}  // namespace vfio_engine
