// What the files of linux/ share. Their rules: descriptors that JavaScript passes stay the caller's; descriptors that
// are returned are the caller's to close; buffers are copied at the call, so that a call on a call thread touches no
// memory of JavaScript. Exported functions run on a JavaScript thread. `sleeps` moves the system call to the pool.
#pragma once

#include <fcntl.h>
#include <sys/ioctl.h>

#include <string>
#include <vector>

#include "common/args.h"
#include "common/async.h"
#include "common/bytes.h"
#include "common/export.h"
#include "common/unique_fd.h"
#include "linux/uapi.h"

namespace vfio_engine {

// Makes an ioctl(2). Throws SysError whose call is `ioctl(NAME)`. Thread: any.
inline int Ioctl(int fd, unsigned long request, const char* name, void* argument) {
  int result = ioctl(fd, request, argument);
  if (result >= 0) return result;
  int error_number = errno;
  throw SysError::OfIoctl(error_number, name);
}

// The same for requests whose argument is a number.
inline int Ioctl(int fd, unsigned long request, const char* name, unsigned long argument = 0) {
  return Ioctl(fd, request, name, reinterpret_cast<void*>(argument));
}

// Opens a device node on the pool. The promise resolves to a descriptor that is the caller's to close.
inline Napi::Promise OpenAsync(Napi::Env env, std::string path) {
  return RunAsync(
      env, [path = std::move(path)] { return UniqueFd(Check(open(path.c_str(), O_RDWR | O_CLOEXEC), "open")); },
      [](Napi::Env env, UniqueFd fd) -> Napi::Value { return Napi::Number::New(env, fd.Release()); });
}

// Opens a device node on the calling thread: for nodes whose opening does not block. Throws SysError.
inline Napi::Value OpenNow(Napi::Env env, const std::string& path) {
  UniqueFd fd(Check(open(path.c_str(), O_RDWR | O_CLOEXEC), "open"));
  return Napi::Number::New(env, fd.Release());
}

// Pieces of memory of the same size, to be mapped at consecutive IOVAs.
struct Pieces {
  std::vector<uint64_t> vaddrs;
  uint64_t iova;
  uint64_t size;  // of each
};

// Reads the arguments (vaddr, offsets, iova, size) from `index` on.
inline Pieces ArgPieces(const Napi::CallbackInfo& info, size_t index) {
  uint64_t vaddr = ArgUint64(info, index);
  Napi::Float64Array offsets = ArgDoubles(info, index + 1);
  std::vector<uint64_t> vaddrs(offsets.ElementLength());
  for (size_t i = 0; i < vaddrs.size(); i++) {
    double offset = offsets.Data()[i];
    if (!IsOffset(offset)) ThrowArgRange(info, index + 1, "a Float64Array of offsets from 0 to 2^53 - 1");
    vaddrs[i] = vaddr + static_cast<uint64_t>(offset);
  }
  return {std::move(vaddrs), ArgUint64(info, index + 2), ArgUint64(info, index + 3)};
}

// Maps pieces in order until the kernel rejects one. Pieces that are neighbours in memory become one call of
// `map(vaddr, iova, size)`, which returns whether it succeeded. Returns how many pieces are mapped. Thread: any.
template <class Map>
double MapPieces(const Pieces& pieces, Map map) {
  const std::vector<uint64_t>& vaddrs = pieces.vaddrs;
  for (size_t first = 0; first < vaddrs.size();) {
    size_t end = first + 1;
    while (end < vaddrs.size() && vaddrs[end] == vaddrs[end - 1] + pieces.size) end++;
    if (!map(vaddrs[first], pieces.iova + first * pieces.size, (end - first) * pieces.size)) {
      return static_cast<double>(first);
    }
    first = end;
  }
  return static_cast<double>(vaddrs.size());
}

inline Napi::Value CountToNumber(Napi::Env env, double count) { return Napi::Number::New(env, count); }

// The name of a file in a known folder. A slash would lead out of the folder.
inline std::string ArgFileName(const Napi::CallbackInfo& info, size_t index) {
  std::string name = ArgString(info, index);
  if (name.find('/') != std::string::npos) ThrowArgRange(info, index, "a file name without a slash");
  return name;
}

// The caller's `argsz`, or undefined for the structure's own size. It goes to the kernel as given. More than 1 MiB,
// which no structure needs, is rejected: the kernel may write that much.
inline uint32_t ArgArgsz(const Napi::CallbackInfo& info, size_t index, size_t structure_size) {
  constexpr double kMost = 1 << 20;
  if (info[index].IsUndefined()) return static_cast<uint32_t>(structure_size);
  return static_cast<uint32_t>(ArgInteger(info, index, 0, kMost));
}

// The largest bitmap that type1 accepts, bytes: 2^31 pages. Source: DIRTY_BITMAP_SIZE_MAX, vfio_iommu_type1.c
constexpr uint64_t kMaxBitmapSize = uint64_t{1} << 28;

// Returns zeroed bytes in whole 64-bit words, as the kernel writes them. Throws SysError(EINVAL) above the limit.
inline std::vector<uint8_t> MakeBitmap(uint64_t size, const char* call) {
  if (size > kMaxBitmapSize) throw SysError(EINVAL, call);
  return std::vector<uint8_t>((size + 7) / 8 * 8);
}

inline uint64_t ToUserPointer(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }

void RegisterContainer(Napi::Env env, Napi::Object exports);
void RegisterType1(Napi::Env env, Napi::Object exports);
void RegisterGroup(Napi::Env env, Napi::Object exports);
void RegisterDevice(Napi::Env env, Napi::Object exports);
void RegisterDeviceInfos(Napi::Env env, Napi::Object exports);
void RegisterDeviceIo(Napi::Env env, Napi::Object exports);
void RegisterDeviceFeature(Napi::Env env, Napi::Object exports);
void RegisterSysfs(Napi::Env env, Napi::Object exports);
void RegisterPci(Napi::Env env, Napi::Object exports);
void RegisterCdev(Napi::Env env, Napi::Object exports);
void RegisterIoas(Napi::Env env, Napi::Object exports);
void RegisterHwpt(Napi::Env env, Napi::Object exports);

}  // namespace vfio_engine
