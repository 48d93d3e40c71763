// The exported functions of memory/, but for those of pins (pin_functions.cc). Their contract: lib/native/memory.ts.
#include "common/register.h"

#include <sys/eventfd.h>

#include "common/args.h"
#include "common/async.h"
#include "common/export.h"
#include "common/external.h"
#include "memory/buffer_bytes.h"
#include "memory/buffer_hold.h"
#include "memory/external_buffer.h"
#include "memory/inspect.h"
#include "memory/mapping.h"
#include "memory/memfd.h"
#include "memory/placement.h"
#include "memory/register_parts.h"
#include "memory/view.h"

namespace vfio_engine {
namespace {

std::shared_ptr<Mapping> ArgMapping(const Napi::CallbackInfo& info, size_t index, const char* call) {
  return Mappings().Require(ArgHandle(info, index), call);
}

Napi::Value PageSize(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(sysconf(_SC_PAGESIZE)));
}

// Returns the eventfd that counts revocations of the environment's mappings. The first call makes it.
const std::shared_ptr<UniqueFd>& RevocationSignal(Napi::Env env) {
  std::shared_ptr<UniqueFd>& signal = env.GetInstanceData<AddonData>()->revocation_signal;
  if (signal != nullptr) return signal;
  UniqueFd own(Check(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd"));
  signal = std::make_shared<UniqueFd>(std::move(own));
  return signal;
}

Napi::Value MappingCreate(const Napi::CallbackInfo& info) {
  int fd = ArgFd(info, 0);
  off_t offset = ArgOffset(info, 1);
  uint64_t handle =
      Mappings().Add(Mapping::Map(fd, offset, ArgSize(info, 2), ArgInt32(info, 3), RevocationSignal(info.Env())));
  return Napi::Number::New(info.Env(), handle);
}

Napi::Value MappingView(const Napi::CallbackInfo& info) {
  return ViewOf(info.Env(), ArgMapping(info, 0, "mappingView"));
}

Napi::Value MappingRevoke(const Napi::CallbackInfo& info) {
  ArgMapping(info, 0, "mappingRevoke")->Close();
  return info.Env().Undefined();
}

Napi::Value MappingRestore(const Napi::CallbackInfo& info) {
  std::shared_ptr<Mapping> mapping = ArgMapping(info, 0, "mappingRestore");
  int fd = ArgFd(info, 1);
  off_t offset = ArgOffset(info, 2);
  return RunAsyncVoid(info.Env(), [=] { mapping->Restore(fd, offset); });
}

Napi::Value MappingState(const Napi::CallbackInfo& info) {
  std::shared_ptr<Mapping> mapping = ArgMapping(info, 0, "mappingState");
  if (mapping->revocable() == nullptr) throw SysError(EINVAL, "mappingState");
  return StateOf(info.Env(), mapping->revocable()->state());
}

Napi::Value RevocationEventfd(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), RevocationSignal(info.Env())->get());
}

Napi::Value MappingClose(const Napi::CallbackInfo& info) {
  Mappings().Remove(ArgHandle(info, 0), "mappingClose");
  return info.Env().Undefined();
}

// Closes the handle. Views that remain read 0xFF from then on, and no new view can be made.
Napi::Value MappingEnd(const Napi::CallbackInfo& info) {
  std::shared_ptr<Mapping> mapping = Mappings().Remove(ArgHandle(info, 0), "mappingEnd");
  if (mapping.use_count() > 1) mapping->Close();
  return info.Env().Undefined();
}

Napi::Value MemfdCreate(const Napi::CallbackInfo& info) {
  std::string name = ArgString(info, 0);
  uint64_t size = ArgUint64(info, 1);
  UniqueFd fd = CreateMemfd(name.c_str(), size, ArgSize(info, 2));
  return Napi::Number::New(info.Env(), fd.Release());
}

Napi::Value MemoryPlace(const Napi::CallbackInfo& info) {
  int fd = ArgFd(info, 0);
  size_t size = ArgSize(info, 1);
  size_t alignment = ArgSize(info, 2);
  if ((alignment & (alignment - 1)) != 0) ThrowArgRange(info, 2, "0 or a power of two");
  bool guards = ArgBoolean(info, 3);
  int node = ArgInt32(info, 4);
  bool populate = ArgBoolean(info, 5);
  auto place = [=] {
    std::shared_ptr<Mapping> mapping = Mapping::Place(fd, size, alignment, guards);
    if (node >= 0) BindToNode(mapping->data(), mapping->length(), static_cast<uint32_t>(node));
    if (populate) Populate(mapping->data(), mapping->length());
    return mapping;
  };
  auto view = [](Napi::Env env, const std::shared_ptr<Mapping>& mapping) { return ViewOf(env, mapping); };
  // Allocating the pages takes long, so it runs on the pool.
  return RunEither(info.Env(), populate, place, view);
}

// (offsets, memorySize, pieceSize, unit) => the index of the first piece that does not begin at a multiple of the unit
// or does not lie in the memory; -1 if there is none. In C++ because the remainder of doubles in JavaScript is 100
// times as slow.
Napi::Value PiecesFindWrong(const Napi::CallbackInfo& info) {
  Napi::Float64Array offsets = ArgDoubles(info, 0);
  uint64_t memory_size = ArgSize(info, 1);
  uint64_t piece_size = ArgSize(info, 2);
  uint64_t unit = ArgSize(info, 3);
  for (size_t i = 0; i < offsets.ElementLength(); i++) {
    double given = offsets.Data()[i];
    uint64_t offset = IsOffset(given) ? static_cast<uint64_t>(given) : UINT64_MAX;
    bool whole = static_cast<double>(offset) == given && unit != 0 && offset % unit == 0;
    bool inside = offset <= memory_size && piece_size <= memory_size - offset;
    if (!whole || !inside) return Napi::Number::New(info.Env(), static_cast<double>(i));
  }
  return Napi::Number::New(info.Env(), -1);
}

Napi::Value BufferAddress(const Napi::CallbackInfo& info) {
  BufferBytes bytes = ArgBufferBytes(info, 0);
  size_t offset = ArgSize(info, 1);
  if (offset >= bytes.length)
    ThrowArgRange(info, 1, "less than " + std::to_string(bytes.length) + ", the buffer's size");
  return Napi::BigInt::New(info.Env(), reinterpret_cast<uint64_t>(bytes.data + offset));
}

Napi::Value BufferIsDetachable(const Napi::CallbackInfo& info) {
  napi_value buffer = info[0];
  return Napi::Boolean::New(info.Env(), IsDetachable(buffer));
}

Napi::Value BufferHold(const Napi::CallbackInfo& info) {
  std::shared_ptr<void> hold = HoldBytes(info[0]);
  if (hold == nullptr) ThrowArgType(info, 0, "an ArrayBuffer or a SharedArrayBuffer");
  return MakeExternal(info.Env(), std::make_unique<std::shared_ptr<void>>(std::move(hold)));
}

Napi::Value MemoryProbe(const Napi::CallbackInfo& info) {
  bool pinnable = ProbeOwnMemory(ArgUint64(info, 0), ArgUint64(info, 1), ArgBoolean(info, 2));
  return Napi::Boolean::New(info.Env(), pinnable);
}

}  // namespace

void RegisterMemory(Napi::Env env, Napi::Object exports) {
  Export<PageSize>(env, exports, "pageSize");
  Export<MappingCreate>(env, exports, "mappingCreate");
  Export<MappingView>(env, exports, "mappingView");
  Export<MappingEnd>(env, exports, "mappingEnd");
  Export<MappingRevoke>(env, exports, "mappingRevoke");
  Export<MappingRestore>(env, exports, "mappingRestore");
  Export<MappingState>(env, exports, "mappingState");
  Export<RevocationEventfd>(env, exports, "revocationEventfd");
  Export<MappingClose>(env, exports, "mappingClose");
  Export<MemfdCreate>(env, exports, "memfdCreate");
  Export<MemoryPlace>(env, exports, "memoryPlace");
  Export<BufferAddress>(env, exports, "bufferAddress");
  Export<BufferHold>(env, exports, "bufferHold");
  Export<BufferIsDetachable>(env, exports, "bufferIsDetachable");
  Export<PiecesFindWrong>(env, exports, "piecesFindWrong");
  Export<MemoryProbe>(env, exports, "memoryProbe");
  RegisterPins(env, exports);
}

}  // namespace vfio_engine
