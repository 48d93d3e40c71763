// iommufd, /dev/iommu: I/O address spaces and their mappings. A kernel without one of the calls answers ENOTTY.
#include "linux/call.h"

namespace vfio_engine {
namespace {

Napi::Value ToBigInt(Napi::Env env, uint64_t value) { return Napi::BigInt::New(env, value); }

Napi::Value IommufdOpen(const Napi::CallbackInfo& info) { return OpenNow(info.Env(), "/dev/iommu"); }

// (fd, id, sleeps). Frees any object of an iommufd, such as an IOAS or a page table. An IOAS unmaps its mappings.
Napi::Value IommuDestroy(const Napi::CallbackInfo& info) {
  int fd = ArgFd(info, 0);
  uapi::IommuDestroy request = {};
  request.size = sizeof(request);
  request.id = ArgUint32(info, 1);
  auto work = [=]() mutable { Ioctl(fd, uapi::kIommuDestroy, "IOMMU_DESTROY", &request); };
  return RunEitherVoid(info.Env(), ArgBoolean(info, 2), work);
}

Napi::Value IoasAlloc(const Napi::CallbackInfo& info) {
  uapi::IoasAlloc request = {};
  request.size = sizeof(request);
  Ioctl(ArgFd(info, 0), uapi::kIoasAlloc, "IOMMU_IOAS_ALLOC", &request);
  return Napi::Number::New(info.Env(), request.out_ioas_id);
}

struct IovaRanges {
  uint64_t alignment;
  std::vector<uapi::IovaRange> ranges;
};

// Asks again with more room if there are more ranges, which a device attached meanwhile can cause too.
IovaRanges GetIovaRanges(int fd, uint32_t ioas_id) {
  constexpr uint32_t kMostRanges = 1 << 16;
  std::vector<uapi::IovaRange> ranges(8);
  for (int attempt = 0;; attempt++) {
    uapi::IoasIovaRanges request = {};
    request.size = sizeof(request);
    request.ioas_id = ioas_id;
    request.num_iovas = static_cast<uint32_t>(ranges.size());
    request.allowed_iovas = ToUserPointer(ranges.data());
    int result = ioctl(fd, uapi::kIoasIovaRanges, &request);
    int error_number = errno;
    bool grow = result < 0 && error_number == EMSGSIZE && attempt < 4 && request.num_iovas <= kMostRanges;
    if (result < 0 && !grow) throw SysError(error_number, "ioctl(IOMMU_IOAS_IOVA_RANGES)");
    if (result >= 0 && request.num_iovas < ranges.size()) ranges.resize(request.num_iovas);
    if (result >= 0) return {request.out_iova_alignment, std::move(ranges)};
    ranges.resize(request.num_iovas);
  }
}

Napi::Value IoasIovaRanges(const Napi::CallbackInfo& info) {
  IovaRanges answer = GetIovaRanges(ArgFd(info, 0), ArgUint32(info, 1));
  Napi::Array ranges = Napi::Array::New(info.Env(), answer.ranges.size());
  for (uint32_t i = 0; i < answer.ranges.size(); i++) {
    Napi::Object range = Napi::Object::New(info.Env());
    range.Set("start", Napi::BigInt::New(info.Env(), answer.ranges[i].start));
    range.Set("last", Napi::BigInt::New(info.Env(), answer.ranges[i].last));
    ranges.Set(i, range);
  }
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("iovaAlignment", Napi::BigInt::New(info.Env(), answer.alignment));
  result.Set("ranges", ranges);
  return result;
}

// (fd, ioasId, ranges): a BigUint64Array of pairs of a start and a last address.
Napi::Value IoasAllowIovas(const Napi::CallbackInfo& info) {
  int fd = ArgFd(info, 0);
  uapi::IoasAllowIovas request = {};
  request.size = sizeof(request);
  request.ioas_id = ArgUint32(info, 1);
  Napi::BigUint64Array given = ArgUint64s(info, 2);
  if (given.ElementLength() % 2 != 0) ThrowArgRange(info, 2, "pairs of a start and a last address");
  request.num_iovas = static_cast<uint32_t>(given.ElementLength() / 2);
  request.allowed_iovas = ToUserPointer(given.Data());
  Ioctl(fd, uapi::kIoasAllowIovas, "IOMMU_IOAS_ALLOW_IOVAS", &request);
  return info.Env().Undefined();
}

// (fd, ioasId, flags, vaddr, iova, length, sleeps) => the IOVA, which the kernel chooses unless it is fixed. Pins the
// memory, which the caller keeps alive while it is mapped.
Napi::Value IoasMap(const Napi::CallbackInfo& info) {
  int fd = ArgFd(info, 0);
  uapi::IoasMap request = {};
  request.size = sizeof(request);
  request.ioas_id = ArgUint32(info, 1);
  request.flags = ArgUint32(info, 2);
  request.user_va = ArgUint64(info, 3);
  request.iova = ArgUint64(info, 4);
  request.length = ArgUint64(info, 5);
  auto work = [=]() mutable {
    Ioctl(fd, uapi::kIoasMap, "IOMMU_IOAS_MAP", &request);
    return request.iova;
  };
  return RunEither(info.Env(), ArgBoolean(info, 6), work, ToBigInt);
}

// (fd, ioasId, flags, vaddr, offsets, iova, size, sleeps) => how many pieces are mapped: all, or those before the first
// that the kernel rejected.
Napi::Value IoasMapPieces(const Napi::CallbackInfo& info) {
  int fd = ArgFd(info, 0);
  uapi::IoasMap common = {};
  common.size = sizeof(common);
  common.ioas_id = ArgUint32(info, 1);
  common.flags = ArgUint32(info, 2);
  auto work = [fd, common, pieces = ArgPieces(info, 3)] {
    return MapPieces(pieces, [fd, common](uint64_t vaddr, uint64_t iova, uint64_t size) {
      uapi::IoasMap request = common;
      request.user_va = vaddr;
      request.iova = iova;
      request.length = size;
      return ioctl(fd, uapi::kIoasMap, &request) == 0;
    });
  };
  return RunEither(info.Env(), ArgBoolean(info, 7), std::move(work), CountToNumber);
}

// (fd, ioasId, flags, file, start, iova, length, sleeps) => the IOVA. Since Linux 6.13.
Napi::Value IoasMapFile(const Napi::CallbackInfo& info) {
  int fd = ArgFd(info, 0);
  uapi::IoasMapFile request = {};
  request.size = sizeof(request);
  request.ioas_id = ArgUint32(info, 1);
  request.flags = ArgUint32(info, 2);
  request.fd = ArgFd(info, 3);
  request.start = ArgUint64(info, 4);
  request.iova = ArgUint64(info, 5);
  request.length = ArgUint64(info, 6);
  auto work = [=]() mutable {
    Ioctl(fd, uapi::kIoasMapFile, "IOMMU_IOAS_MAP_FILE", &request);
    return request.iova;
  };
  return RunEither(info.Env(), ArgBoolean(info, 7), work, ToBigInt);
}

// (fd, ioasId, iova, length, sleeps) => the count of bytes unmapped. The range must not cut a mapping.
Napi::Value IoasUnmap(const Napi::CallbackInfo& info) {
  int fd = ArgFd(info, 0);
  uapi::IoasUnmap request = {};
  request.size = sizeof(request);
  request.ioas_id = ArgUint32(info, 1);
  request.iova = ArgUint64(info, 2);
  request.length = ArgUint64(info, 3);
  auto work = [=]() mutable {
    Ioctl(fd, uapi::kIoasUnmap, "IOMMU_IOAS_UNMAP", &request);
    return request.length;
  };
  return RunEither(info.Env(), ArgBoolean(info, 4), work, ToBigInt);
}

// (fd, flags, toIoasId, fromIoasId, toIova, fromIova, length) => Promise<the IOVA>. Both share the pinned pages.
Napi::Value IoasCopy(const Napi::CallbackInfo& info) {
  int fd = ArgFd(info, 0);
  uapi::IoasCopy request = {};
  request.size = sizeof(request);
  request.flags = ArgUint32(info, 1);
  request.dst_ioas_id = ArgUint32(info, 2);
  request.src_ioas_id = ArgUint32(info, 3);
  request.dst_iova = ArgUint64(info, 4);
  request.src_iova = ArgUint64(info, 5);
  request.length = ArgUint64(info, 6);
  auto work = [=]() mutable {
    Ioctl(fd, uapi::kIoasCopy, "IOMMU_IOAS_COPY", &request);
    return request.dst_iova;
  };
  return RunAsync(info.Env(), work, ToBigInt);
}

// (fd, set, optionId, objectId, value) => the value that is in effect.
Napi::Value IommuOption(const Napi::CallbackInfo& info) {
  uapi::IommuOption request = {};
  request.size = sizeof(request);
  request.op = ArgBoolean(info, 1) ? 0 : 1;
  request.option_id = ArgUint32(info, 2);
  request.object_id = ArgUint32(info, 3);
  request.val64 = ArgUint64(info, 4);
  Ioctl(ArgFd(info, 0), uapi::kIommuOption, "IOMMU_OPTION", &request);
  return Napi::BigInt::New(info.Env(), uint64_t{request.val64});
}

}  // namespace

void RegisterIoas(Napi::Env env, Napi::Object exports) {
  Export<IommufdOpen>(env, exports, "iommufdOpen");
  Export<IommuDestroy>(env, exports, "iommuDestroy");
  Export<IoasAlloc>(env, exports, "ioasAlloc");
  Export<IoasIovaRanges>(env, exports, "ioasIovaRanges");
  Export<IoasAllowIovas>(env, exports, "ioasAllowIovas");
  Export<IoasMap>(env, exports, "ioasMap");
  Export<IoasMapPieces>(env, exports, "ioasMapPieces");
  Export<IoasMapFile>(env, exports, "ioasMapFile");
  Export<IoasUnmap>(env, exports, "ioasUnmap");
  Export<IoasCopy>(env, exports, "ioasCopy");
  Export<IommuOption>(env, exports, "iommuOption");
}

}  // namespace vfio_engine
