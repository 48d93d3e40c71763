// iommufd: hardware page tables, the description of the IOMMU, and dirty page tracking.
#include <algorithm>

#include "linux/call.h"

namespace vfio_engine {
namespace {

// (fd, flags, deviceId, ioasId) => Promise<id>. Page tables with driver-specific data are not supported.
Napi::Value HwptAlloc(const Napi::CallbackInfo& info) {
  int fd = ArgFd(info, 0);
  uapi::HwptAlloc request = {};
  request.size = sizeof(request);
  request.flags = ArgUint32(info, 1);
  request.dev_id = ArgUint32(info, 2);
  request.pt_id = ArgUint32(info, 3);
  auto work = [=]() mutable {
    Ioctl(fd, uapi::kHwptAlloc, "IOMMU_HWPT_ALLOC", &request);
    return request.out_hwpt_id;
  };
  return RunAsync(info.Env(), work, [](Napi::Env env, uint32_t id) { return Napi::Number::New(env, id); });
}

Napi::Value HwptSetDirtyTracking(const Napi::CallbackInfo& info) {
  int fd = ArgFd(info, 0);
  uapi::HwptSetDirtyTracking request = {};
  request.size = sizeof(request);
  request.hwpt_id = ArgUint32(info, 1);
  request.flags = ArgBoolean(info, 2) ? 1 : 0;
  auto work = [=]() mutable { Ioctl(fd, uapi::kHwptSetDirtyTracking, "IOMMU_HWPT_SET_DIRTY_TRACKING", &request); };
  return RunAsyncVoid(info.Env(), work);
}

// (fd, hwptId, flags, iova, length, pageSize, bitmapSize)
Napi::Value HwptGetDirtyBitmap(const Napi::CallbackInfo& info) {
  int fd = ArgFd(info, 0);
  uapi::HwptGetDirtyBitmap request = {};
  request.size = sizeof(request);
  request.hwpt_id = ArgUint32(info, 1);
  request.flags = ArgUint32(info, 2);
  request.iova = ArgUint64(info, 3);
  request.length = ArgUint64(info, 4);
  request.page_size = ArgUint64(info, 5);
  uint64_t bitmap_size = ArgUint64(info, 6);
  auto work = [=]() mutable {
    std::vector<uint8_t> bits = MakeBitmap(bitmap_size, "ioctl(IOMMU_HWPT_GET_DIRTY_BITMAP)");
    // The structure has no field for the bitmap's size: it must hold one bit for each page of the range.
    if (request.page_size == 0 || request.length / request.page_size > bits.size() * 8) {
      throw SysError(EINVAL, "ioctl(IOMMU_HWPT_GET_DIRTY_BITMAP)");
    }
    request.data = ToUserPointer(bits.data());
    Ioctl(fd, uapi::kHwptGetDirtyBitmap, "IOMMU_HWPT_GET_DIRTY_BITMAP", &request);
    bits.resize(bitmap_size);
    return bits;
  };
  return RunAsync(info.Env(), work, [](Napi::Env env, std::vector<uint8_t> bits) { return ToUint8Array(env, bits); });
}

// (fd, deviceId) => { type, capabilities, data }. The type says which IOMMU driver's format the data has.
Napi::Value IommuGetHwInfo(const Napi::CallbackInfo& info) {
  uint8_t data[256] = {};
  uapi::IommuGetHwInfo request = {};
  request.size = sizeof(request);
  request.dev_id = ArgUint32(info, 1);
  request.data_len = sizeof(data);
  request.data_uptr = ToUserPointer(data);
  Ioctl(ArgFd(info, 0), uapi::kIommuGetHwInfo, "IOMMU_GET_HW_INFO", &request);
  size_t length = std::min<size_t>(request.data_len, sizeof(data));
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("type", request.out_data_type);
  result.Set("capabilities", Napi::BigInt::New(info.Env(), uint64_t{request.out_capabilities}));
  result.Set("data", ToUint8Array(info.Env(), data, length));
  return result;
}

}  // namespace

void RegisterHwpt(Napi::Env env, Napi::Object exports) {
  Export<HwptAlloc>(env, exports, "hwptAlloc");
  Export<HwptSetDirtyTracking>(env, exports, "hwptSetDirtyTracking");
  Export<HwptGetDirtyBitmap>(env, exports, "hwptGetDirtyBitmap");
  Export<IommuGetHwInfo>(env, exports, "iommuGetHwInfo");
}

}  // namespace vfio_engine
