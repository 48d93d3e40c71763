// The exported functions of CPU affinity: which CPUs a thread may run on. Their contract: lib/native/lane.ts.
#include <sched.h>

#include <memory>
#include <thread>
#include <vector>

#include "common/args.h"
#include "common/export.h"
#include "lane/register_parts.h"

namespace vfio_engine {
namespace {

// At least the most CPUs that a Linux kernel supports (NR_CPUS).
constexpr int kMostCpus = 8192;

class CpuSet {
 public:
  CpuSet() : set_(CPU_ALLOC(kMostCpus)) {
    if (set_ == nullptr) throw SysError(ENOMEM, "malloc");
    CPU_ZERO_S(Size(), set_);
  }
  ~CpuSet() { CPU_FREE(set_); }
  CpuSet(const CpuSet&) = delete;
  CpuSet& operator=(const CpuSet&) = delete;

  static size_t Size() { return CPU_ALLOC_SIZE(kMostCpus); }
  cpu_set_t* get() const { return set_; }
  void Add(int cpu) { CPU_SET_S(cpu, Size(), set_); }
  bool Has(int cpu) const { return CPU_ISSET_S(cpu, Size(), set_); }

 private:
  cpu_set_t* set_;
};

std::unique_ptr<CpuSet> ArgCpus(const Napi::CallbackInfo& info, size_t index) {
  const std::string expected = "an array of CPU numbers from 0 to " + std::to_string(kMostCpus - 1);
  if (!info[index].IsArray()) ThrowArgType(info, index, expected);
  auto list = info[index].As<Napi::Array>();
  auto cpus = std::make_unique<CpuSet>();
  for (uint32_t i = 0; i < list.Length(); i++) {
    Napi::Value each = list.Get(i);
    double cpu = each.IsNumber() ? each.As<Napi::Number>().DoubleValue() : -1;
    if (!(cpu >= 0 && cpu < kMostCpus) || cpu != static_cast<int>(cpu)) ThrowArgRange(info, index, expected);
    cpus->Add(static_cast<int>(cpu));
  }
  return cpus;
}

// Sets the CPUs of the calling thread. Returns 0 or an errno.
int SetOwn(const CpuSet& cpus) { return sched_setaffinity(0, CpuSet::Size(), cpus.get()) == 0 ? 0 : errno; }

// () => the CPUs that the calling thread may run on, ascending.
Napi::Value ThreadCpus(const Napi::CallbackInfo& info) {
  CpuSet cpus;
  Check(sched_getaffinity(0, CpuSet::Size(), cpus.get()), "sched_getaffinity");
  Napi::Array list = Napi::Array::New(info.Env());
  for (int cpu = 0; cpu < kMostCpus; cpu++) {
    if (cpus.Has(cpu)) list.Set(list.Length(), cpu);
  }
  return list;
}

// (cpus): keeps the calling thread on these CPUs. Throws SysError(EINVAL) if the process may use none of them.
Napi::Value ThreadSetCpus(const Napi::CallbackInfo& info) {
  int error = SetOwn(*ArgCpus(info, 0));
  if (error != 0) throw SysError(error, "sched_setaffinity");
  return info.Env().Undefined();
}

// (cpus): throws what ThreadSetCpus would throw. It tries the CPUs on a thread of its own, which then ends.
Napi::Value CpusCheck(const Napi::CallbackInfo& info) {
  std::unique_ptr<CpuSet> cpus = ArgCpus(info, 0);
  int error = 0;
  std::thread([&] { error = SetOwn(*cpus); }).join();
  if (error != 0) throw SysError(error, "sched_setaffinity");
  return info.Env().Undefined();
}

}  // namespace

void RegisterAffinity(Napi::Env env, Napi::Object exports) {
  Export<ThreadCpus>(env, exports, "threadCpus");
  Export<ThreadSetCpus>(env, exports, "threadSetCpus");
  Export<CpusCheck>(env, exports, "cpusCheck");
}

}  // namespace vfio_engine
