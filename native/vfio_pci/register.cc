// The exported functions of open PCI functions. Their contract: lib/native/vfio-pci.ts.
#include "common/register.h"
#include <linux/vfio.h>

#include <algorithm>

#include "common/args.h"
#include "common/async.h"
#include "common/bytes.h"
#include "common/export.h"
#include "vfio_pci/pci_function.h"

namespace vfio_engine {
namespace {

std::shared_ptr<PciFunction> FunctionOf(const Napi::CallbackInfo& info, const char* call) {
  auto function = std::dynamic_pointer_cast<PciFunction>(Connections().Require(ArgHandle(info, 0), call));
  if (function == nullptr) throw SysError(EINVAL, call);
  return function;
}

// (connection, configSize, barSizes, irqCounts, dynamicMsix) => Promise<handle>
Napi::Value VfioPciOpen(const Napi::CallbackInfo& info) {
  std::shared_ptr<Connection> device = Connections().Require(ArgHandle(info, 0), "vfioPciOpen");
  const size_t config_size = ArgSize(info, 1);
  Napi::BigUint64Array sizes = ArgUint64s(info, 2);
  Napi::Int32Array counts = ArgInt32s(info, 3);
  IrqCounts irqs;
  irqs.dynamic_msix = ArgBoolean(info, 4);
  if (sizes.ElementLength() != kBars || counts.ElementLength() != irqs.counts.size() ||
      (config_size != 256 && config_size != 4096)) {
    throw SysError(EINVAL, "vfioPciOpen");
  }
  std::copy(counts.Data(), counts.Data() + irqs.counts.size(), irqs.counts.begin());
  std::vector<uint64_t> bars(sizes.Data(), sizes.Data() + kBars);
  return RunAsync(
      info.Env(),
      [device, config_size, bars = std::move(bars), irqs] {
        return Connections().Add(std::make_shared<PciFunction>(device, config_size, bars, irqs));
      },
      [](Napi::Env env, uint64_t handle) { return Napi::Number::New(env, static_cast<double>(handle)); });
}

size_t Checked(ssize_t moved, const char* call) {
  if (moved < 0) throw SysError(static_cast<int>(-moved), call);
  return static_cast<size_t>(moved);
}

// (handle, regionIndex, offset, length) => Promise<Uint8Array>
Napi::Value VfioPciRead(const Napi::CallbackInfo& info) {
  auto function = FunctionOf(info, "pread");
  const uint32_t region_index = ArgUint32(info, 1);
  const uint64_t offset = ArgUint64(info, 2);
  const uint32_t length = ArgUint32(info, 3);
  auto work = [function, region_index, offset, length] {
    std::vector<uint8_t> bytes(length);
    bytes.resize(Checked(function->RegionRead(region_index, offset, bytes.data(), length), "pread"));
    return bytes;
  };
  return RunAsync(info.Env(), std::move(work),
                  [](Napi::Env env, std::vector<uint8_t> bytes) -> Napi::Value { return ToUint8Array(env, bytes); });
}

// (handle, regionIndex, offset, bytes) => Promise<number>
Napi::Value VfioPciWrite(const Napi::CallbackInfo& info) {
  auto function = FunctionOf(info, "pwrite");
  const uint32_t region_index = ArgUint32(info, 1);
  const uint64_t offset = ArgUint64(info, 2);
  Napi::Uint8Array data = ArgBytes(info, 3);
  std::vector<uint8_t> bytes(data.Data(), data.Data() + data.ByteLength());
  auto work = [function, region_index, offset, bytes = std::move(bytes)] {
    return Checked(function->RegionWrite(region_index, offset, bytes.data(), static_cast<uint32_t>(bytes.size())),
                   "pwrite");
  };
  return RunAsync(info.Env(), std::move(work),
                  [](Napi::Env env, size_t moved) { return Napi::Number::New(env, static_cast<double>(moved)); });
}

// (handle, argsz, flags, index, start, count, data, sleeps)
Napi::Value VfioPciSetIrqs(const Napi::CallbackInfo& info) {
  auto function = FunctionOf(info, "VFIO_DEVICE_SET_IRQS");
  Napi::Uint8Array bytes = ArgBytes(info, 6);
  std::vector<uint8_t> data(bytes.Data(), bytes.Data() + bytes.ByteLength());
  const IrqSet set = {ArgUint32(info, 1), ArgUint32(info, 2), ArgUint32(info, 3), ArgUint32(info, 4),
                      ArgUint32(info, 5)};
  return RunEitherVoid(info.Env(), ArgBoolean(info, 7), [function, set, data = std::move(data)] {
    const int error = function->SetIrqs(set, data);
    if (error != 0) throw SysError(-error, "VFIO_DEVICE_SET_IRQS");
  });
}

Napi::Value VfioPciRequest(const Napi::CallbackInfo& info) {
  FunctionOf(info, "vfioPciRequest")->irqs().SignalRequest();
  return info.Env().Undefined();
}

// (handle, mapping, bar, fd, offset)
Napi::Value VfioPciTrack(const Napi::CallbackInfo& info) {
  std::shared_ptr<Mapping> mapping = Mappings().Require(ArgHandle(info, 1), "mmap");
  FunctionOf(info, "mmap")->mappings().Add(mapping, ArgInt32(info, 2), ArgFd(info, 3), ArgOffset(info, 4));
  return info.Env().Undefined();
}

Napi::Value VfioPciTableRegion(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), FunctionOf(info, "vfioPciTableRegion")->table_region());
}

// (handle) => Promise<void>
Napi::Value VfioPciClose(const Napi::CallbackInfo& info) {
  auto function = FunctionOf(info, "vfioPciClose");
  Connections().Remove(ArgHandle(info, 0), "vfioPciClose");
  return RunClosing(info.Env(), [function] {
    function->Close();
    function->irqs().Stop();
  });
}

}  // namespace

void RegisterVfioPci(Napi::Env env, Napi::Object exports) {
  Export<VfioPciOpen>(env, exports, "vfioPciOpen");
  Export<VfioPciRead>(env, exports, "vfioPciRead");
  Export<VfioPciWrite>(env, exports, "vfioPciWrite");
  Export<VfioPciSetIrqs>(env, exports, "vfioPciSetIrqs");
  Export<VfioPciRequest>(env, exports, "vfioPciRequest");
  Export<VfioPciTrack>(env, exports, "vfioPciTrack");
  Export<VfioPciTableRegion>(env, exports, "vfioPciTableRegion");
  Export<VfioPciClose>(env, exports, "vfioPciClose");
}

}  // namespace vfio_engine
