// A device, opened by its group or its cdev: its information, interrupts and reset.
#include <algorithm>

#include "linux/call.h"

namespace vfio_engine {
namespace {

// The part of the structure that every kernel has. Linux 5.9 added cap_offset.
constexpr size_t kDeviceInfoSize = 16;

Napi::Value DeviceGetInfo(const Napi::CallbackInfo& info) {
  uint32_t argsz = ArgArgsz(info, 1, kDeviceInfoSize);
  std::vector<uint8_t> answer(std::max(size_t{argsz}, sizeof(vfio_device_info)));
  std::memcpy(answer.data(), &argsz, sizeof(argsz));
  Ioctl(ArgFd(info, 0), VFIO_DEVICE_GET_INFO, "VFIO_DEVICE_GET_INFO", answer.data());
  vfio_device_info device = {};
  std::memcpy(&device, answer.data(), sizeof(device));
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("flags", device.flags);
  result.Set("numRegions", device.num_regions);
  result.Set("numIrqs", device.num_irqs);
  return result;
}

// (device, index, argsz?) => the structure's bytes as the kernel wrote them, with capabilities if argsz has room for
// them.
Napi::Value DeviceGetRegionInfo(const Napi::CallbackInfo& info) {
  vfio_region_info region = {};
  region.index = ArgUint32(info, 1);
  region.argsz = ArgArgsz(info, 2, sizeof(region));
  std::vector<uint8_t> answer(std::max(size_t{region.argsz}, sizeof(region)));
  std::memcpy(answer.data(), &region, sizeof(region));
  Ioctl(ArgFd(info, 0), VFIO_DEVICE_GET_REGION_INFO, "VFIO_DEVICE_GET_REGION_INFO", answer.data());
  return ToUint8Array(info.Env(), answer);
}

Napi::Value DeviceGetIrqInfo(const Napi::CallbackInfo& info) {
  vfio_irq_info irq = {};
  irq.index = ArgUint32(info, 1);
  irq.argsz = ArgArgsz(info, 2, sizeof(irq));
  Ioctl(ArgFd(info, 0), VFIO_DEVICE_GET_IRQ_INFO, "VFIO_DEVICE_GET_IRQ_INFO", &irq);
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("index", irq.index);
  result.Set("flags", irq.flags);
  result.Set("count", irq.count);
  return result;
}

// (fd, argsz, flags, index, start, count, data, sleeps)
Napi::Value DeviceSetIrqs(const Napi::CallbackInfo& info) {
  int fd = ArgFd(info, 0);
  Napi::Uint8Array data = ArgBytes(info, 6);
  vfio_irq_set set = {};
  set.argsz = ArgArgsz(info, 1, sizeof(set) + data.ByteLength());
  set.flags = ArgUint32(info, 2);
  set.index = ArgUint32(info, 3);
  set.start = ArgUint32(info, 4);
  set.count = ArgUint32(info, 5);
  // The buffer is as long as argsz says, so that the kernel never reads beyond it.
  std::vector<uint8_t> request(std::max<size_t>(set.argsz, sizeof(set) + data.ByteLength()));
  std::memcpy(request.data(), &set, sizeof(set));
  if (data.ByteLength() > 0) std::memcpy(request.data() + sizeof(set), data.Data(), data.ByteLength());
  return RunEitherVoid(info.Env(), ArgBoolean(info, 7), [fd, request = std::move(request)]() mutable {
    Ioctl(fd, VFIO_DEVICE_SET_IRQS, "VFIO_DEVICE_SET_IRQS", request.data());
  });
}

// (device) => Promise<void>. A function reset takes 100 ms or more.
Napi::Value DeviceReset(const Napi::CallbackInfo& info) {
  int fd = ArgFd(info, 0);
  return RunAsyncVoid(info.Env(), [=] { Ioctl(fd, VFIO_DEVICE_RESET, "VFIO_DEVICE_RESET"); });
}

}  // namespace

void RegisterDevice(Napi::Env env, Napi::Object exports) {
  Export<DeviceGetInfo>(env, exports, "deviceGetInfo");
  Export<DeviceGetRegionInfo>(env, exports, "deviceGetRegionInfo");
  Export<DeviceGetIrqInfo>(env, exports, "deviceGetIrqInfo");
  Export<DeviceSetIrqs>(env, exports, "deviceSetIrqs");
  Export<DeviceReset>(env, exports, "deviceReset");
}

}  // namespace vfio_engine
