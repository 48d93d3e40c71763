// VFIO_DEVICE_FEATURE: low power, migration, the VF token. The caller knows the meaning of a feature's payload.
#include "linux/call.h"

namespace vfio_engine {
namespace {

constexpr const char* kName = "VFIO_DEVICE_FEATURE";

// Returns the payload as the kernel wrote it. Throws SysError. Thread: any.
std::vector<uint8_t> Feature(int fd, uint32_t flags, const std::vector<uint8_t>& payload) {
  vfio_device_feature header = {};
  std::vector<uint8_t> request(sizeof(header) + payload.size());
  header.argsz = static_cast<uint32_t>(request.size());
  header.flags = flags;
  std::memcpy(request.data(), &header, sizeof(header));
  if (!payload.empty()) std::memcpy(request.data() + sizeof(header), payload.data(), payload.size());
  Ioctl(fd, VFIO_DEVICE_FEATURE, kName, request.data());
  return std::vector<uint8_t>(request.begin() + sizeof(header), request.end());
}

uint32_t ArgFeature(const Napi::CallbackInfo& info, size_t index) {
  return static_cast<uint32_t>(ArgInteger(info, index, 0, VFIO_DEVICE_FEATURE_MASK));
}

// (fd, feature, ways): throws if the device does not support the feature. `ways` is GET, SET, both or neither.
Napi::Value DeviceFeatureProbe(const Napi::CallbackInfo& info) {
  constexpr uint32_t kWays = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET;
  uint32_t flags = VFIO_DEVICE_FEATURE_PROBE | ArgFeature(info, 1) | (ArgUint32(info, 2) & kWays);
  Feature(ArgFd(info, 0), flags, {});
  return info.Env().Undefined();
}

// (fd, feature, payload) => Promise<payload>. The payload is an input too: some features read arguments from it.
Napi::Value DeviceFeatureGet(const Napi::CallbackInfo& info) {
  int fd = ArgFd(info, 0);
  uint32_t flags = VFIO_DEVICE_FEATURE_GET | ArgFeature(info, 1);
  Napi::Uint8Array data = ArgBytes(info, 2);
  std::vector<uint8_t> payload(data.Data(), data.Data() + data.ByteLength());
  return RunAsync(
      info.Env(), [fd, flags, payload = std::move(payload)] { return Feature(fd, flags, payload); },
      [](Napi::Env env, std::vector<uint8_t> bytes) { return ToUint8Array(env, bytes); });
}

Napi::Value DeviceFeatureSet(const Napi::CallbackInfo& info) {
  int fd = ArgFd(info, 0);
  uint32_t flags = VFIO_DEVICE_FEATURE_SET | ArgFeature(info, 1);
  Napi::Uint8Array data = ArgBytes(info, 2);
  std::vector<uint8_t> payload(data.Data(), data.Data() + data.ByteLength());
  return RunAsync(
      info.Env(), [fd, flags, payload = std::move(payload)] { return Feature(fd, flags, payload); },
      [](Napi::Env env, std::vector<uint8_t> bytes) { return ToUint8Array(env, bytes); });
}

}  // namespace

void RegisterDeviceFeature(Napi::Env env, Napi::Object exports) {
  Export<DeviceFeatureProbe>(env, exports, "deviceFeatureProbe");
  Export<DeviceFeatureGet>(env, exports, "deviceFeatureGet");
  Export<DeviceFeatureSet>(env, exports, "deviceFeatureSet");
}

}  // namespace vfio_engine
