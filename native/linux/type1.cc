// The type1 IOMMU of a container: DMA mappings and dirty page tracking.
#include <algorithm>
#include <cstddef>

#include "linux/call.h"

namespace vfio_engine {
namespace {

// The part of the structure that every kernel has. Later kernels added capabilities, at cap_offset.
constexpr size_t kInfoSize = 24;
static_assert(offsetof(vfio_iommu_type1_info, iova_pgsizes) == 8, "vfio_iommu_type1_info");

// (fd, argsz?) => the structure's bytes as the kernel wrote them, with capabilities if argsz has room for them.
Napi::Value Type1GetInfo(const Napi::CallbackInfo& info) {
  uint32_t argsz = ArgArgsz(info, 1, kInfoSize);
  std::vector<uint8_t> answer(std::max<size_t>(argsz, kInfoSize));
  std::memcpy(answer.data(), &argsz, sizeof(argsz));
  Ioctl(ArgFd(info, 0), VFIO_IOMMU_GET_INFO, "VFIO_IOMMU_GET_INFO", answer.data());
  return ToUint8Array(info.Env(), answer);
}

// (fd, flags, vaddr, iova, size, sleeps, argsz?). Pins the memory, so the time grows with its size. The caller keeps
// the memory alive while it is mapped. Tests alone pass argsz: with a seventh argument node-addon-api allocates memory.
Napi::Value Type1MapDma(const Napi::CallbackInfo& info) {
  int fd = ArgFd(info, 0);
  vfio_iommu_type1_dma_map map = {};
  map.argsz = ArgArgsz(info, 6, sizeof(map));
  map.flags = ArgUint32(info, 1);
  map.vaddr = ArgUint64(info, 2);
  map.iova = ArgUint64(info, 3);
  map.size = ArgUint64(info, 4);
  auto work = [=]() mutable { return Ioctl(fd, VFIO_IOMMU_MAP_DMA, "VFIO_IOMMU_MAP_DMA", &map); };
  return RunEither(info.Env(), ArgBoolean(info, 5), work, [](Napi::Env env, int) { return env.Undefined(); });
}

// (fd, flags, vaddr, offsets, iova, size, sleeps) => how many pieces are mapped: all, or those before the first
// that the kernel rejected.
Napi::Value Type1MapPieces(const Napi::CallbackInfo& info) {
  int fd = ArgFd(info, 0);
  uint32_t flags = ArgUint32(info, 1);
  auto work = [fd, flags, pieces = ArgPieces(info, 2)] {
    return MapPieces(pieces, [=](uint64_t vaddr, uint64_t iova, uint64_t size) {
      vfio_iommu_type1_dma_map map = {sizeof(map), flags, vaddr, iova, size};
      return ioctl(fd, VFIO_IOMMU_MAP_DMA, &map) == 0;
    });
  };
  return RunEither(info.Env(), ArgBoolean(info, 6), std::move(work), CountToNumber);
}

struct Unmapped {
  uint64_t size;
  std::vector<uint8_t> bitmap;
};

// vfio_iommu_type1_dma_unmap and the vfio_bitmap that can follow it.
struct UnmapRequest {
  uint32_t argsz;
  uint32_t flags;
  uint64_t iova;
  uint64_t size;
  vfio_bitmap bitmap;
};
constexpr size_t kPlainUnmapSize = offsetof(UnmapRequest, bitmap);
static_assert(kPlainUnmapSize == sizeof(vfio_iommu_type1_dma_unmap), "the bitmap stands right behind");

Unmapped Unmap(int fd, UnmapRequest request) {
  std::vector<uint8_t> bits = MakeBitmap(request.bitmap.size, "ioctl(VFIO_IOMMU_UNMAP_DMA)");
  request.bitmap.data = reinterpret_cast<__u64*>(bits.data());
  Ioctl(fd, VFIO_IOMMU_UNMAP_DMA, "VFIO_IOMMU_UNMAP_DMA", &request);
  bits.resize(request.bitmap.size);
  return {request.size, std::move(bits)};
}

// (fd, flags, iova, size, sleeps, argsz?, bitmapPageSize?, bitmapSize?) => the size, or [size, bitmap] if the flags ask
// for a bitmap.
Napi::Value Type1UnmapDma(const Napi::CallbackInfo& info) {
  int fd = ArgFd(info, 0);
  UnmapRequest request = {};
  request.flags = ArgUint32(info, 1);
  bool with_bitmap = (request.flags & VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP) != 0;
  request.argsz = ArgArgsz(info, 5, with_bitmap ? sizeof(request) : kPlainUnmapSize);
  request.iova = ArgUint64(info, 2);
  request.size = ArgUint64(info, 3);
  if (info.Length() > 6) {
    request.bitmap.pgsize = ArgUint64(info, 6);
    request.bitmap.size = ArgUint64(info, 7);
  }
  auto convert = [with_bitmap](Napi::Env env, Unmapped unmapped) -> Napi::Value {
    Napi::Value size = Napi::BigInt::New(env, unmapped.size);
    // Most callers ask for no bitmap, and an array costs as much as the system call.
    if (!with_bitmap) return size;
    Napi::Array both = Napi::Array::New(env, 2);
    both.Set(0u, size);
    both.Set(1u, ToUint8Array(env, unmapped.bitmap));
    return both;
  };
  return RunEither(info.Env(), ArgBoolean(info, 4), [=] { return Unmap(fd, request); }, convert);
}

// vfio_iommu_type1_dirty_bitmap with the range that follows it in GET_BITMAP.
struct DirtyRequest {
  uint32_t argsz;
  uint32_t flags;
  vfio_iommu_type1_dirty_bitmap_get range;
};
constexpr size_t kDirtyHeaderSize = offsetof(DirtyRequest, range);
static_assert(kDirtyHeaderSize == sizeof(vfio_iommu_type1_dirty_bitmap), "the range stands right behind");

Napi::Value Type1SetDirtyTracking(const Napi::CallbackInfo& info) {
  int fd = ArgFd(info, 0);
  DirtyRequest request = {};
  request.argsz = kDirtyHeaderSize;
  request.flags = ArgBoolean(info, 1) ? VFIO_IOMMU_DIRTY_PAGES_FLAG_START : VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP;
  auto work = [=]() mutable { Ioctl(fd, VFIO_IOMMU_DIRTY_PAGES, "VFIO_IOMMU_DIRTY_PAGES", &request); };
  return RunAsyncVoid(info.Env(), work);
}

std::vector<uint8_t> GetDirtyBitmap(int fd, DirtyRequest request) {
  std::vector<uint8_t> bits = MakeBitmap(request.range.bitmap.size, "ioctl(VFIO_IOMMU_DIRTY_PAGES)");
  request.range.bitmap.data = reinterpret_cast<__u64*>(bits.data());
  Ioctl(fd, VFIO_IOMMU_DIRTY_PAGES, "VFIO_IOMMU_DIRTY_PAGES", &request);
  bits.resize(request.range.bitmap.size);
  return bits;
}

// (fd, iova, size, pageSize, bitmapSize) => Promise<Uint8Array>
Napi::Value Type1GetDirtyBitmap(const Napi::CallbackInfo& info) {
  int fd = ArgFd(info, 0);
  DirtyRequest request = {};
  request.argsz = sizeof(request);
  request.flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP;
  request.range.iova = ArgUint64(info, 1);
  request.range.size = ArgUint64(info, 2);
  request.range.bitmap.pgsize = ArgUint64(info, 3);
  request.range.bitmap.size = ArgUint64(info, 4);
  auto convert = [](Napi::Env env, std::vector<uint8_t> bits) { return ToUint8Array(env, bits); };
  return RunAsync(info.Env(), [=] { return GetDirtyBitmap(fd, request); }, convert);
}

}  // namespace

void RegisterType1(Napi::Env env, Napi::Object exports) {
  Export<Type1GetInfo>(env, exports, "type1GetInfo");
  Export<Type1MapDma>(env, exports, "type1MapDma");
  Export<Type1MapPieces>(env, exports, "type1MapPieces");
  Export<Type1UnmapDma>(env, exports, "type1UnmapDma");
  Export<Type1SetDirtyTracking>(env, exports, "type1SetDirtyTracking");
  Export<Type1GetDirtyBitmap>(env, exports, "type1GetDirtyBitmap");
}

}  // namespace vfio_engine
