// Two C threads that answer each other through a word of shared memory: the round trip that a lane is compared with.
#include <atomic>
#include <thread>
#include <vector>

#include "clock.h"

namespace {

// (roundTrips) => Float64Array of ns, one for each
Napi::Value PingPong(const Napi::CallbackInfo& info) {
  uint32_t rounds = info[0].As<Napi::Number>().Uint32Value();
  alignas(64) std::atomic<uint32_t> request{0};
  alignas(64) std::atomic<uint32_t> reply{0};
  std::thread server([&] {
    for (uint32_t i = 1; i <= rounds; i++) {
      while (request.load(std::memory_order_acquire) != i) {
      }
      reply.store(i, std::memory_order_release);
    }
  });
  Napi::Float64Array costs = Napi::Float64Array::New(info.Env(), rounds);
  for (uint32_t i = 1; i <= rounds; i++) {
    uint64_t start = NowNs();
    request.store(i, std::memory_order_release);
    while (reply.load(std::memory_order_acquire) != i) {
    }
    costs[i - 1] = static_cast<double>(NowNs() - start);
  }
  server.join();
  return costs;
}

}  // namespace

void RegisterThreads(Napi::Env env, Napi::Object exports) {
  exports.Set("pingPong", Napi::Function::New(env, PingPong));
}

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  RegisterAccess(env, exports);
  RegisterThreads(env, exports);
  return exports;
}

NODE_API_MODULE(vfio_engine_baseline, Init)
