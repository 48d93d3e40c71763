// The exported functions of regions, and of checked accesses on the calling thread. Their contract:
// lib/native/lane.ts.
#include <fcntl.h>

#include "common/args.h"
#include "common/async.h"
#include "common/export.h"
#include "lane/mmio.h"
#include "lane/quiescence.h"
#include "lane/region_table.h"
#include "lane/register_parts.h"

namespace vfio_engine {
namespace {

constexpr uint32_t kReadable = 1;
constexpr uint32_t kWritable = 2;
// Longer than the longest transfer.
constexpr int kLeaveMs = 30000;

std::vector<Area> ReadAreas(const Napi::CallbackInfo& info, size_t index) {
  if (!info[index].IsArray()) ThrowArgType(info, index, "an array of [offset, size, mapping]");
  auto list = info[index].As<Napi::Array>();
  std::vector<Area> areas;
  for (uint32_t i = 0; i < list.Length(); i++) {
    auto triple = list.Get(i).As<Napi::Array>();
    auto offset = static_cast<uint64_t>(triple.Get(0u).As<Napi::Number>().Int64Value());
    auto size = static_cast<uint64_t>(triple.Get(1u).As<Napi::Number>().Int64Value());
    auto mapping =
        Mappings().Require(static_cast<uint64_t>(triple.Get(2u).As<Napi::Number>().Int64Value()), "regionCreate");
    if (mapping->revocable() == nullptr) throw SysError(EINVAL, "regionCreate");
    if (size > mapping->length() || offset % 8 != 0) throw SysError(EINVAL, "regionCreate");
    areas.push_back({offset, size, std::move(mapping)});
  }
  return areas;
}

// (size, flags, fd or -1, connection or 0, fileOffset, regionIndex, areas) => handle
Napi::Value RegionCreate(const Napi::CallbackInfo& info) {
  uint64_t size = ArgSize(info, 0);
  uint32_t flags = ArgUint32(info, 1);
  Target target;
  int fd = ArgFd(info, 2);
  // A duplicate, so that the region never reaches another file after the caller closed its descriptor.
  if (fd >= 0) target.fd = UniqueFd(Check(fcntl(fd, F_DUPFD_CLOEXEC, 0), "fcntl(F_DUPFD_CLOEXEC)"));
  uint64_t connection = ArgHandle(info, 3);
  if (connection != 0) target.connection = Connections().Require(connection, "regionCreate");
  target.file_offset = ArgUint64(info, 4);
  target.region_index = ArgUint32(info, 5);
  auto region = std::make_unique<IoRegion>(size, (flags & kReadable) != 0, (flags & kWritable) != 0, std::move(target),
                                           ReadAreas(info, 6));
  return Napi::Number::New(info.Env(), RegionTable::Get().Add(std::move(region)));
}

// (region, leaveMs = kLeaveMs) => Promise<void>, or undefined if the region is closed
Napi::Value RegionClose(const Napi::CallbackInfo& info) {
  RegionTable& table = RegionTable::Get();
  const uint64_t handle = ArgHandle(info, 0);
  const int leave_ms = info[1].IsUndefined() ? kLeaveMs : static_cast<int>(ArgInteger(info, 1, 0, kLeaveMs));
  const IoRegion* region = table.TakeAway(handle);
  // If no thread is inside, nothing has to be waited for. Unmapping more than this takes long, so it runs on the pool.
  constexpr uint64_t kQuicklyUnmapped = 16 << 20;
  if (region->mapped_bytes() <= kQuicklyUnmapped && table.FreeNow(region)) return info.Env().Undefined();
  return RunClosing(info.Env(), [&table, region, leave_ms] { table.Free(region, leave_ms); });
}

// Returns an offset or a handle of JavaScript's. Any other value becomes one that lies outside every region and names
// none.
uint64_t WholeOf(double value) {
  if (!(value >= 0 && value <= kMaxSafeInteger)) return UINT64_MAX;
  auto whole = static_cast<uint64_t>(value);
  return static_cast<double>(whole) == value ? whole : UINT64_MAX;
}

uint64_t OffsetOf(napi_env env, napi_value value) {
  double offset = -1;
  napi_get_value_double(env, value, &offset);
  return WholeOf(offset);
}

// Returns a handle that JavaScript passed; 0, which names nothing, for a value that is not a number. Most handles are
// small integers, of which Node.js needs not make a double.
uint64_t HandleOf(napi_env env, napi_value value) {
  int64_t handle = 0;
  napi_get_value_int64(env, value, &handle);
  return static_cast<uint64_t>(handle);
}

napi_value Throw(napi_env env, int error, const char* call) {
  try {
    ToJsError(env, SysError(-error, call)).ThrowAsJavaScriptException();
  } catch (const Napi::Error&) {
    // The thread is being terminated: it runs no JavaScript any more, so that the error cannot be thrown.
  }
  return nullptr;
}

int Write(Reader& reader, uint64_t handle, uint64_t offset, uint32_t width, uint64_t value) {
  ReadSection section(handle, reader);
  const IoRegion* region = RegionTable::Get().Find(handle);
  return region != nullptr ? region->Write(offset, width, value) : -EBADF;
}

// The arguments of a write of up to 32 bits. JavaScript stores them in memory, because Node-API needs 2 ns and more for
// each argument.
struct WriteArguments {
  double handle;
  double offset;
  uint32_t value;
};

// One for each environment.
struct WriteCall {
  Reader& reader;
  const WriteArguments* arguments;
  // Keeps the arguments.
  Napi::Reference<Napi::ArrayBuffer> buffer;
};

// (handle, offset) => number, or a bigint for width 8. Plain Node-API: this is the hot path of trapped registers.
template <uint32_t width>
napi_value RegionRead(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value arguments[2];
  void* reader = nullptr;
  napi_get_cb_info(env, info, &count, arguments, nullptr, &reader);
  const uint64_t handle = HandleOf(env, arguments[0]);
  uint64_t value = 0;
  int error = -EBADF;
  {
    ReadSection section(handle, *static_cast<Reader*>(reader));
    const IoRegion* region = RegionTable::Get().Find(handle);
    if (region != nullptr) error = region->Read(OffsetOf(env, arguments[1]), width, &value);
  }
  if (error != 0) return Throw(env, error, "regionRead");
  napi_value result;
  if (width == 8) {
    napi_create_bigint_uint64(env, value, &result);
  } else {
    napi_create_uint32(env, static_cast<uint32_t>(value), &result);
  }
  return result;
}

// (handle, offset, value)
napi_value RegionWrite64(napi_env env, napi_callback_info info) {
  size_t count = 3;
  napi_value arguments[3];
  void* reader = nullptr;
  napi_get_cb_info(env, info, &count, arguments, nullptr, &reader);
  const uint64_t handle = HandleOf(env, arguments[0]);
  uint64_t value = 0;
  bool lossless = false;
  if (napi_get_value_bigint_uint64(env, arguments[2], &value, &lossless) != napi_ok) {
    return Throw(env, -EINVAL, "regionWrite");
  }
  const int error = Write(*static_cast<Reader*>(reader), handle, OffsetOf(env, arguments[1]), 8, value);
  return error != 0 ? Throw(env, error, "regionWrite") : nullptr;
}

// () makes the write that `writeArguments` describes. With a barrier it is a doorbell: the device sees all memory
// written before.
template <uint32_t width, bool barrier = false>
napi_value RegionWrite(napi_env env, napi_callback_info info) {
  void* data = nullptr;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
  const WriteCall& call = *static_cast<WriteCall*>(data);
  if (barrier) MmioBarrier();
  const auto [handle, offset, value] = *call.arguments;
  const int error = Write(call.reader, WholeOf(handle), WholeOf(offset), width, value);
  return error != 0 ? Throw(env, error, "regionWrite") : nullptr;
}

napi_value Barrier(napi_env env, napi_callback_info info) {
  MmioBarrier();
  return nullptr;
}

// Exports the memory of the arguments.
WriteCall* NewWriteCall(Napi::Env env, Napi::Object exports, Reader& reader) {
  auto buffer = Napi::ArrayBuffer::New(env, sizeof(WriteArguments));
  std::unique_ptr<WriteCall> call(
      new WriteCall{reader, static_cast<WriteArguments*>(buffer.Data()), Napi::Persistent(buffer)});
  env.AddCleanupHook([](WriteCall* ended) { delete ended; }, call.get());
  WriteCall* exported = call.release();
  exports.Set("writeArguments", buffer);
  return exported;
}

}  // namespace

void RegisterRegionFunctions(Napi::Env env, Napi::Object exports) {
  Export<RegionCreate>(env, exports, "regionCreate");
  Export<RegionClose>(env, exports, "regionClose");
  // An environment stays on one thread, which outlives it.
  Reader* reader = &ThreadReader();
  ExportPlain(env, exports, "regionRead8", RegionRead<1>, reader);
  ExportPlain(env, exports, "regionRead16", RegionRead<2>, reader);
  ExportPlain(env, exports, "regionRead32", RegionRead<4>, reader);
  ExportPlain(env, exports, "regionRead64", RegionRead<8>, reader);
  ExportPlain(env, exports, "regionWrite64", RegionWrite64, reader);
  ExportPlain(env, exports, "barrier", Barrier, nullptr);
  WriteCall* call = NewWriteCall(env, exports, *reader);
  ExportPlain(env, exports, "regionWrite8", RegionWrite<1>, call);
  ExportPlain(env, exports, "regionWrite16", RegionWrite<2>, call);
  ExportPlain(env, exports, "regionWrite32", RegionWrite<4>, call);
  ExportPlain(env, exports, "regionDoorbell32", RegionWrite<4, true>, call);
}

}  // namespace vfio_engine
