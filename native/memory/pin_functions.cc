// The exported functions of the table of pins. Their contract: lib/native/memory.ts.
#include "memory/register_parts.h"

#include <memory>
#include <utility>

#include "common/args.h"
#include "common/async.h"
#include "common/export.h"
#include "common/external.h"
#include "memory/buffer_bytes.h"
#include "memory/buffer_hold.h"
#include "memory/pins.h"
#include "memory/placement.h"

namespace vfio_engine {
namespace {

using SpaceHandle = Napi::External<std::shared_ptr<PinSpace>>;

const std::shared_ptr<PinSpace>& ArgSpace(const Napi::CallbackInfo& info, size_t index) {
  if (!info[index].IsExternal()) ThrowArgType(info, index, "a space's handle");
  return *info[index].As<SpaceHandle>().Data();
}

PinRange ArgRange(const Napi::CallbackInfo& info, size_t index) {
  uint64_t start = ArgUint64(info, index);
  uint64_t size = ArgUint64(info, index + 1);
  if (size > UINT64_MAX - start) ThrowArgRange(info, index + 1, "a size that does not pass 2^64 - 1");
  return {start, start + size};
}

// () => a space without devices.
Napi::Value PinSpaceCreate(const Napi::CallbackInfo& info) {
  return MakeExternal(info.Env(), std::make_unique<std::shared_ptr<PinSpace>>(std::make_shared<PinSpace>()));
}

// (space, devices, mediated)
Napi::Value PinSpaceCount(const Napi::CallbackInfo& info) {
  PinTable::Get().Count(*ArgSpace(info, 0), ArgUint32(info, 1), ArgUint32(info, 2));
  return info.Env().Undefined();
}

// (space) => whether memory that it maps is being discarded.
Napi::Value PinSpaceIsDiscarding(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), PinTable::Get().IsDiscarding(*ArgSpace(info, 0)));
}

// (space, vaddr, size) => an id, or 0 while a part of the range is being discarded.
Napi::Value PinAdd(const Napi::CallbackInfo& info) {
  uint64_t id = PinTable::Get().Add(ArgSpace(info, 0), ArgRange(info, 1));
  return Napi::Number::New(info.Env(), static_cast<double>(id));
}

// (id)
Napi::Value PinRemove(const Napi::CallbackInfo& info) {
  PinTable::Get().Remove(ArgSize(info, 0));
  return info.Env().Undefined();
}

// Ends the discard with the work, even if the JavaScript thread that asked ends before.
class Discarding {
 public:
  Discarding() = default;
  Discarding(const Discarding&) = delete;
  Discarding& operator=(const Discarding&) = delete;
  ~Discarding() { PinTable::Get().EndDiscard(id_); }
  void Set(uint64_t id) { id_ = id; }

 private:
  // 0 for none.
  uint64_t id_ = 0;
};

// (buffer, offset, length, vouched) => a promise; or, where devices have it pinned, [those that pin all, mediated
// ones].
Napi::Value MemoryDiscard(const Napi::CallbackInfo& info) {
  BufferBytes bytes = ArgBufferBytes(info, 0);
  size_t offset = ArgSize(info, 1);
  size_t length = ArgSize(info, 2);
  bool vouched = ArgBoolean(info, 3);
  if (offset > bytes.length || length > bytes.length - offset) {
    ThrowArgRange(info, offset > bytes.length ? 1 : 2,
                  "within the buffer's " + std::to_string(bytes.length) + " bytes");
  }
  auto start = reinterpret_cast<uint64_t>(bytes.data + offset);
  PinHolders holders;
  auto discarding = std::make_shared<Discarding>();
  uint64_t id = PinTable::Get().BeginDiscard({start, start + length}, vouched, &holders);
  if (id == 0) {
    Napi::Array refused = Napi::Array::New(info.Env(), 2);
    refused.Set(0u, Napi::Number::New(info.Env(), holders.devices));
    refused.Set(1u, Napi::Number::New(info.Env(), holders.mediated));
    return refused;
  }
  discarding->Set(id);
  // The memory stays until it is discarded, even if the caller drops the buffer.
  std::shared_ptr<void> hold = HoldBytes(info[0]);
  return RunAsyncVoid(info.Env(), [data = bytes.data + offset, length, hold = std::move(hold),
                                   discarding = std::move(discarding)]() mutable {
    // Ended before the promise settles, because the caller may then map at once.
    std::shared_ptr<Discarding> until_done = std::move(discarding);
    Discard(data, length);
  });
}

}  // namespace

void RegisterPins(Napi::Env env, Napi::Object exports) {
  Export<PinSpaceCreate>(env, exports, "pinSpaceCreate");
  Export<PinSpaceCount>(env, exports, "pinSpaceCount");
  Export<PinSpaceIsDiscarding>(env, exports, "pinSpaceIsDiscarding");
  Export<PinAdd>(env, exports, "pinAdd");
  Export<PinRemove>(env, exports, "pinRemove");
  Export<MemoryDiscard>(env, exports, "memoryDiscard");
}

}  // namespace vfio_engine
