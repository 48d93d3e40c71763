// The latency of a message in C: from the write that sends it to the statement after another thread's read(eventfd).
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "baseline.h"

namespace {

constexpr uint64_t kPatienceNs = 5'000'000'000;

void RunOn(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  sched_setaffinity(0, sizeof(set), &set);
}

struct Shared {
  std::atomic<uint64_t> taken{0};
  std::atomic<uint32_t> count{0};
};

void Wait(int fd, int cpu, uint32_t samples, Shared* shared) {
  RunOn(cpu);
  for (uint32_t i = 0; i < samples; i++) {
    uint64_t value;
    if (read(fd, &value, sizeof(value)) != sizeof(value)) return;
    shared->taken.store(NowNs(), std::memory_order_relaxed);
    shared->count.store(i + 1, std::memory_order_release);
  }
}

void Pause(uint64_t ns) {
  for (uint64_t end = NowNs() + ns; NowNs() < end;) continue;
}

// (eventfd, register or null, samples, gapNs, waiterCpu) => nanoseconds of each message. Writing the register sends a
// message. Without a register the eventfd is written.
Napi::Value MsiLatency(const Napi::CallbackInfo& info) {
  int fd = info[0].As<Napi::Number>().Int32Value();
  auto* device_register = info[1].IsNull() ? nullptr : reinterpret_cast<volatile uint32_t*>(BytesOf(info[1]));
  uint32_t samples = info[2].As<Napi::Number>().Uint32Value();
  uint64_t gap = static_cast<uint64_t>(info[3].As<Napi::Number>().Int64Value());
  int cpu = info[4].As<Napi::Number>().Int32Value();
  int flags = fcntl(fd, F_GETFL);
  fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
  Shared shared;
  std::thread waiter([&] { Wait(fd, cpu, samples, &shared); });
  Napi::Float64Array costs = Napi::Float64Array::New(info.Env(), samples);
  bool lost = false;
  for (uint32_t i = 0; i < samples; i++) {
    Pause(gap);
    uint64_t start = NowNs();
    uint64_t one = 1;
    if (device_register != nullptr && !lost) *device_register = 1;
    else if (write(fd, &one, sizeof(one)) != sizeof(one)) lost = true;
    // After a lost message the eventfd is written, so that the thread ends. The loss is then reported.
    while (shared.count.load(std::memory_order_acquire) <= i && !lost) lost = NowNs() - start > kPatienceNs;
    if (lost && write(fd, &one, sizeof(one)) == sizeof(one)) Pause(gap);
    costs[i] = static_cast<double>(shared.taken.load(std::memory_order_relaxed) - start);
  }
  waiter.join();
  fcntl(fd, F_SETFL, flags);
  if (lost) throw Napi::Error::New(info.Env(), "no message arrived within 5 s");
  return costs;
}

}  // namespace

void RegisterMsi(Napi::Env env, Napi::Object exports) {
  exports.Set("msiLatency", Napi::Function::New(env, MsiLatency));
}
