// All regions and interrupts of a device in one call from JavaScript: a call for each would cost more than the kernel.
#include "linux/call.h"

namespace vfio_engine {
namespace {

// Stands in place of the flags of an index that the device does not have (the kernel answers EINVAL).
constexpr uint64_t kAbsent = UINT64_MAX;
// More than any device has.
constexpr double kMostIndexes = 4096;

// Returns false for an index that the device does not have. Throws SysError for any other error.
bool Ask(int fd, unsigned long request, const char* name, void* argument) {
  if (ioctl(fd, request, argument) >= 0) return true;
  int error_number = errno;
  if (error_number == EINVAL) return false;
  throw SysError::OfIoctl(error_number, name);
}

// Returns the answer with its capabilities, for which a second call may be needed. Empty for an absent index.
std::vector<uint8_t> AskRegion(int fd, uint32_t index) {
  constexpr uint32_t kMostRoom = 1 << 20;
  vfio_region_info region = {};
  std::vector<uint8_t> answer(sizeof(region));
  for (int attempt = 0; attempt < 2; attempt++) {
    region = {};
    region.argsz = static_cast<uint32_t>(answer.size());
    region.index = index;
    std::memcpy(answer.data(), &region, sizeof(region));
    if (!Ask(fd, VFIO_DEVICE_GET_REGION_INFO, "VFIO_DEVICE_GET_REGION_INFO", answer.data())) return {};
    std::memcpy(&region, answer.data(), sizeof(region));
    if (region.argsz <= answer.size() || region.argsz > kMostRoom) break;
    if (attempt == 0) answer.assign(region.argsz, 0);
  }
  return answer;
}

// Returns flags, size and offset of each region. Puts the whole answer of a region with capabilities into `whole`.
Napi::BigUint64Array Regions(Napi::Env env, int fd, uint32_t count, Napi::Object whole) {
  Napi::BigUint64Array words = Napi::BigUint64Array::New(env, count * 3);
  for (uint32_t i = 0; i < count; i++) {
    std::vector<uint8_t> answer = AskRegion(fd, i);
    vfio_region_info region = {};
    if (!answer.empty()) std::memcpy(&region, answer.data(), sizeof(region));
    if ((region.flags & VFIO_REGION_INFO_FLAG_CAPS) != 0) whole.Set(i, ToUint8Array(env, answer));
    words[i * 3] = answer.empty() ? kAbsent : region.flags;
    words[i * 3 + 1] = region.size;
    words[i * 3 + 2] = region.offset;
  }
  return words;
}

// Returns flags and count of each interrupt.
Napi::BigUint64Array Irqs(Napi::Env env, int fd, uint32_t count) {
  Napi::BigUint64Array words = Napi::BigUint64Array::New(env, count * 2);
  for (uint32_t i = 0; i < count; i++) {
    vfio_irq_info irq = {};
    irq.argsz = sizeof(irq);
    irq.index = i;
    bool present = Ask(fd, VFIO_DEVICE_GET_IRQ_INFO, "VFIO_DEVICE_GET_IRQ_INFO", &irq);
    words[i * 2] = present ? irq.flags : kAbsent;
    words[i * 2 + 1] = irq.count;
  }
  return words;
}

// (fd, numRegions, numIrqs) => [regions, answers with capabilities by index, irqs]
Napi::Value DeviceGetInfos(const Napi::CallbackInfo& info) {
  int fd = ArgFd(info, 0);
  auto num_regions = static_cast<uint32_t>(ArgInteger(info, 1, 0, kMostIndexes));
  auto num_irqs = static_cast<uint32_t>(ArgInteger(info, 2, 0, kMostIndexes));
  Napi::Object whole = Napi::Object::New(info.Env());
  Napi::Array all = Napi::Array::New(info.Env(), 3);
  all.Set(0u, Regions(info.Env(), fd, num_regions, whole));
  all.Set(1u, whole);
  all.Set(2u, Irqs(info.Env(), fd, num_irqs));
  return all;
}

}  // namespace

void RegisterDeviceInfos(Napi::Env env, Napi::Object exports) {
  Export<DeviceGetInfos>(env, exports, "deviceGetInfos");
}

}  // namespace vfio_engine
