// The exported functions of IOMMU domains. Their contract: lib/native/vfio-user.ts.
#include "common/args.h"
#include "common/async.h"
#include "common/bytes.h"
#include "common/export.h"
#include "vfio_user/domain.h"
#include "vfio_user/register_parts.h"

namespace vfio_engine {
namespace {

// Throws a negative errno as a SysError.
void Succeed(int result, const char* call) {
  if (result < 0) throw SysError(-result, call);
}

Napi::Value DomainCreate(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), Domains().Add(std::make_shared<Domain>()));
}

// (domain, iova, vaddr, size, access). The memory stays the caller's.
Napi::Value DomainMap(const Napi::CallbackInfo& info) {
  uint64_t handle = ArgHandle(info, 0);
  uint64_t iova = ArgUint64(info, 1), vaddr = ArgUint64(info, 2), size = ArgUint64(info, 3);
  uint32_t access = ArgUint32(info, 4);
  if ((access & ~(Domain::kRead | Domain::kWrite)) != 0) throw SysError(EINVAL, "domainMap");
  Succeed(Domains().Require(handle, "domainMap")->Map(iova, vaddr, size, access), "domainMap");
  return info.Env().Undefined();
}

// (domain, iova, size) => Promise<void>
Napi::Value DomainUnmap(const Napi::CallbackInfo& info) {
  uint64_t handle = ArgHandle(info, 0);
  uint64_t iova = ArgUint64(info, 1), size = ArgUint64(info, 2);
  return RunClosing(info.Env(), [=] { Domains().Require(handle, "domainUnmap")->Unmap(iova, size); });
}

// (domain, pageSize or 0n)
Napi::Value DomainSetDirtyTracking(const Napi::CallbackInfo& info) {
  std::shared_ptr<Domain> domain = Domains().Require(ArgHandle(info, 0), "domainSetDirtyTracking");
  Succeed(domain->dirty().Track(ArgUint64(info, 1)), "domainSetDirtyTracking");
  return info.Env().Undefined();
}

// (domain, iova, size, pageSize, clear) => Uint8Array
Napi::Value DomainTakeDirty(const Napi::CallbackInfo& info) {
  std::shared_ptr<Domain> domain = Domains().Require(ArgHandle(info, 0), "domainTakeDirty");
  uint64_t iova = ArgUint64(info, 1), size = ArgUint64(info, 2), page_size = ArgUint64(info, 3);
  std::vector<uint8_t> bits;
  Succeed(domain->dirty().Take(iova, size, page_size, ArgBoolean(info, 4), bits), "domainTakeDirty");
  return ToUint8Array(info.Env(), bits);
}

// (domain) => { count, recent }
Napi::Value DomainTakeFaults(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  std::vector<Domain::Fault> recent;
  uint64_t count = Domains().Require(ArgHandle(info, 0), "domainTakeFaults")->TakeFaults(recent);
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
}

Napi::Value DomainFaultEvent(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), Domains().Require(ArgHandle(info, 0), "domainFaultEvent")->fault_event());
}

Napi::Value DomainClose(const Napi::CallbackInfo& info) {
  Domains().Remove(ArgHandle(info, 0), "domainClose");
  return info.Env().Undefined();
}

}  // namespace

void RegisterDomains(Napi::Env env, Napi::Object exports) {
  Export<DomainCreate>(env, exports, "domainCreate");
  Export<DomainMap>(env, exports, "domainMap");
  Export<DomainUnmap>(env, exports, "domainUnmap");
  Export<DomainSetDirtyTracking>(env, exports, "domainSetDirtyTracking");
  Export<DomainTakeDirty>(env, exports, "domainTakeDirty");
  Export<DomainTakeFaults>(env, exports, "domainTakeFaults");
  Export<DomainFaultEvent>(env, exports, "domainFaultEvent");
  Export<DomainClose>(env, exports, "domainClose");
}

}  // namespace vfio_engine
