// The hot reset of a whole PCI bus or slot with all of its devices.
#include <algorithm>

#include "linux/call.h"

namespace vfio_engine {
namespace {

struct HotResetInfo {
  uint32_t flags;
  std::vector<uint8_t> records;
};

// Asks for the count first and then for the records. It asks again if devices were added in between.
HotResetInfo GetHotResetInfo(int fd) {
  vfio_pci_hot_reset_info header = {};
  constexpr size_t kHeaderSize = 12;
  static_assert(offsetof(vfio_pci_hot_reset_info, devices) == kHeaderSize, "vfio_pci_hot_reset_info");
  constexpr uint32_t kMostRecords = 1 << 16;
  std::vector<uint8_t> answer(kHeaderSize);
  for (int attempt = 0;; attempt++) {
    header = {};
    header.argsz = static_cast<uint32_t>(answer.size());
    std::memcpy(answer.data(), &header, kHeaderSize);
    int result = ioctl(fd, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, answer.data());
    int error_number = errno;
    std::memcpy(&header, answer.data(), kHeaderSize);
    if (result >= 0) break;
    bool grow = error_number == ENOSPC && attempt < 4 && header.count <= kMostRecords;
    if (!grow) throw SysError(error_number, "ioctl(VFIO_DEVICE_GET_PCI_HOT_RESET_INFO)");
    answer.resize(kHeaderSize + header.count * sizeof(uapi::DependentDevice));
  }
  // Never more records than the buffer had room for.
  size_t length = std::min(header.count * sizeof(uapi::DependentDevice), answer.size() - kHeaderSize);
  return {header.flags, std::vector<uint8_t>(answer.begin() + kHeaderSize, answer.begin() + kHeaderSize + length)};
}

Napi::Value ToDependentDevice(Napi::Env env, const uapi::DependentDevice& record) {
  Napi::Object device = Napi::Object::New(env);
  device.Set("id", record.id);
  device.Set("segment", static_cast<uint32_t>(record.segment));
  device.Set("bus", static_cast<uint32_t>(record.bus));
  device.Set("devfn", static_cast<uint32_t>(record.devfn));
  return device;
}

Napi::Value DeviceGetPciHotResetInfo(const Napi::CallbackInfo& info) {
  HotResetInfo answer = GetHotResetInfo(ArgFd(info, 0));
  Napi::Array devices = Napi::Array::New(info.Env());
  for (size_t at = 0; at + sizeof(uapi::DependentDevice) <= answer.records.size();
       at += sizeof(uapi::DependentDevice)) {
    uapi::DependentDevice record;
    std::memcpy(&record, answer.records.data() + at, sizeof(record));
    devices.Set(devices.Length(), ToDependentDevice(info.Env(), record));
  }
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("flags", answer.flags);
  result.Set("devices", devices);
  return result;
}

// (fd, groups) => Promise<void>. `groups` are descriptors of the groups of all affected devices; empty for a device
// that is bound to an iommufd.
Napi::Value DevicePciHotReset(const Napi::CallbackInfo& info) {
  int fd = ArgFd(info, 0);
  Napi::Int32Array groups = ArgInt32s(info, 1);
  vfio_pci_hot_reset header = {};
  std::vector<uint8_t> request(sizeof(header) + groups.ByteLength());
  header.argsz = static_cast<uint32_t>(request.size());
  header.count = static_cast<uint32_t>(groups.ElementLength());
  std::memcpy(request.data(), &header, sizeof(header));
  if (groups.ByteLength() > 0) std::memcpy(request.data() + sizeof(header), groups.Data(), groups.ByteLength());
  return RunAsyncVoid(info.Env(), [fd, request = std::move(request)]() mutable {
    Ioctl(fd, VFIO_DEVICE_PCI_HOT_RESET, "VFIO_DEVICE_PCI_HOT_RESET", request.data());
  });
}

}  // namespace

void RegisterPci(Napi::Env env, Napi::Object exports) {
  Export<DeviceGetPciHotResetInfo>(env, exports, "deviceGetPciHotResetInfo");
  Export<DevicePciHotReset>(env, exports, "devicePciHotReset");
}

}  // namespace vfio_engine
