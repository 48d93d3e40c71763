// The addon's domain functions. Source of their contract: lib/native/vfio-user.ts.
#include "common/async.h"
#include "vfio_user/arguments.h"
#include "vfio_user/domain.h"
#include "vfio_user/register_parts.h"

namespace vfio_engine {
namespace {

std::shared_ptr<Domain> Find(uint32_t handle, const char* call) {
  std::shared_ptr<Domain> domain = Domains().Get(handle);
  if (domain == nullptr) throw SysError(EBADF, call);
  return domain;
}

void Succeed(int result, const char* call) {
  if (result < 0) throw SysError(-result, call);
}

Napi::Value Create(const Napi::CallbackInfo& info) {
  return Guard(info.Env(), [&] { return Napi::Number::New(info.Env(), Domains().Add(std::make_shared<Domain>())); });
}

void Map(const Napi::CallbackInfo& info) {
  uint32_t handle = arguments::Uint32(info, 0);
  uint64_t iova = arguments::Uint64(info, 1), vaddr = arguments::Uint64(info, 2), size = arguments::Uint64(info, 3);
  uint32_t access = arguments::Uint32(info, 4);
  Guard(info.Env(), [&] {
    if ((access & ~(Domain::kRead | Domain::kWrite)) != 0) throw SysError(EINVAL, "domainMap");
    Succeed(Find(handle, "domainMap")->Map(iova, vaddr, size, access), "domainMap");
  });
}

Napi::Value Unmap(const Napi::CallbackInfo& info) {
  uint32_t handle = arguments::Uint32(info, 0);
  uint64_t iova = arguments::Uint64(info, 1), size = arguments::Uint64(info, 2);
  return RunAsync(
      info.Env(),
      [=] {
        Find(handle, "domainUnmap")->Unmap(iova, size);
        return 0;
      },
      [](Napi::Env env, int) { return env.Undefined(); });
}

void SetDirtyTracking(const Napi::CallbackInfo& info) {
  uint32_t handle = arguments::Uint32(info, 0);
  uint64_t page_size = arguments::Uint64(info, 1);
  Guard(info.Env(),
        [&] { Succeed(Find(handle, "domainSetDirtyTracking")->dirty().Track(page_size), "domainSetDirtyTracking"); });
}

Napi::Value TakeDirty(const Napi::CallbackInfo& info) {
  uint32_t handle = arguments::Uint32(info, 0);
  uint64_t iova = arguments::Uint64(info, 1), size = arguments::Uint64(info, 2), page_size = arguments::Uint64(info, 3);
  bool clear = arguments::Bool(info, 4);
  return Guard(info.Env(), [&] {
    std::vector<uint8_t> bits;
    Succeed(Find(handle, "domainTakeDirty")->dirty().Take(iova, size, page_size, clear, bits), "domainTakeDirty");
    Napi::Uint8Array result = Napi::Uint8Array::New(info.Env(), bits.size());
    std::copy(bits.begin(), bits.end(), result.Data());
    return result;
  });
}

Napi::Value TakeFaults(const Napi::CallbackInfo& info) {
  uint32_t handle = arguments::Uint32(info, 0);
  return Guard(info.Env(), [&] {
    Napi::Env env = info.Env();
    std::vector<Domain::Fault> recent;
    uint64_t count = Find(handle, "domainTakeFaults")->TakeFaults(recent);
    Napi::Array faults = Napi::Array::New(env, recent.size());
    for (uint32_t i = 0; i < recent.size(); i++) {
      Napi::Object fault = Napi::Object::New(env);
      fault.Set("iova", Napi::BigInt::New(env, recent[i].iova));
      fault.Set("size", Napi::BigInt::New(env, recent[i].size));
      fault.Set("write", recent[i].write);
      faults.Set(i, fault);
    }
    Napi::Object result = Napi::Object::New(env);
    result.Set("count", static_cast<double>(count));
    result.Set("recent", faults);
    return result;
  });
}

Napi::Value FaultEvent(const Napi::CallbackInfo& info) {
  uint32_t handle = arguments::Uint32(info, 0);
  return Guard(info.Env(),
               [&] { return Napi::Number::New(info.Env(), Find(handle, "domainFaultEvent")->fault_event()); });
}

void Close(const Napi::CallbackInfo& info) {
  uint32_t handle = arguments::Uint32(info, 0);
  Guard(info.Env(), [&] {
    if (Domains().Remove(handle) == nullptr) throw SysError(EBADF, "domainClose");
  });
}

}  // namespace

void RegisterDomains(Napi::Env env, Napi::Object exports) {
  exports.Set("domainCreate", Napi::Function::New(env, Create));
  exports.Set("domainMap", Napi::Function::New(env, Map));
  exports.Set("domainUnmap", Napi::Function::New(env, Unmap));
  exports.Set("domainSetDirtyTracking", Napi::Function::New(env, SetDirtyTracking));
  exports.Set("domainTakeDirty", Napi::Function::New(env, TakeDirty));
  exports.Set("domainTakeFaults", Napi::Function::New(env, TakeFaults));
  exports.Set("domainFaultEvent", Napi::Function::New(env, FaultEvent));
  exports.Set("domainClose", Napi::Function::New(env, Close));
}

}  // namespace vfio_engine
