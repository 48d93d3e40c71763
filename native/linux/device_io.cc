// Transfers through the device's descriptor for trapped regions, and eventfds that trigger a write (ioeventfd).
#include "linux/call.h"

namespace vfio_engine {
namespace {

std::vector<uint8_t> Pread(int fd, int64_t offset, size_t length) {
  std::vector<uint8_t> bytes(length);
  ssize_t count = pread(fd, bytes.data(), length, offset);
  int error_number = errno;
  if (count < 0) throw SysError(error_number, "pread");
  bytes.resize(static_cast<size_t>(count));
  return bytes;
}

size_t Pwrite(int fd, int64_t offset, const std::vector<uint8_t>& bytes) {
  ssize_t count = pwrite(fd, bytes.data(), bytes.size(), offset);
  int error_number = errno;
  if (count < 0) throw SysError(error_number, "pwrite");
  return static_cast<size_t>(count);
}

Napi::Value DevicePread(const Napi::CallbackInfo& info) {
  int fd = ArgFd(info, 0);
  int64_t offset = ArgOffset(info, 1);
  size_t length = ArgUint32(info, 2);
  return RunAsync(
      info.Env(), [=] { return Pread(fd, offset, length); },
      [](Napi::Env env, std::vector<uint8_t> bytes) { return ToUint8Array(env, bytes); });
}

Napi::Value DevicePwrite(const Napi::CallbackInfo& info) {
  int fd = ArgFd(info, 0);
  int64_t offset = ArgOffset(info, 1);
  Napi::Uint8Array data = ArgBytes(info, 2);
  std::vector<uint8_t> bytes(data.Data(), data.Data() + data.ByteLength());
  return RunAsync(
      info.Env(), [fd, offset, bytes = std::move(bytes)] { return Pwrite(fd, offset, bytes); },
      [](Napi::Env env, size_t count) { return Napi::Number::New(env, static_cast<double>(count)); });
}

// (fd, offset, width, data, eventfd). The kernel's flags for the width equal the width in bytes. The eventfd -1 removes
// the ioeventfd.
Napi::Value DeviceIoeventfd(const Napi::CallbackInfo& info) {
  int fd = ArgFd(info, 0);
  vfio_device_ioeventfd request = {};
  request.argsz = sizeof(request);
  request.offset = static_cast<uint64_t>(ArgOffset(info, 1));
  request.flags = ArgUint32(info, 2);
  request.data = ArgUint64(info, 3);
  request.fd = ArgFd(info, 4);
  static_assert(VFIO_DEVICE_IOEVENTFD_8 == 1 && VFIO_DEVICE_IOEVENTFD_64 == 8, "flags are widths in bytes");
  auto work = [=]() mutable { Ioctl(fd, VFIO_DEVICE_IOEVENTFD, "VFIO_DEVICE_IOEVENTFD", &request); };
  return RunAsyncVoid(info.Env(), work);
}

}  // namespace

void RegisterDeviceIo(Napi::Env env, Napi::Object exports) {
  Export<DevicePread>(env, exports, "devicePread");
  Export<DevicePwrite>(env, exports, "devicePwrite");
  Export<DeviceIoeventfd>(env, exports, "deviceIoeventfd");
}

}  // namespace vfio_engine
