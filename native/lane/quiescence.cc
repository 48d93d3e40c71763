#include "lane/quiescence.h"

#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace vfio_engine {
namespace {

struct Registry {
  std::mutex mutex;
  std::vector<Reader*> readers;
};

// Never destroyed: threads can end after static destructors ran.
Registry& TheRegistry() {
  static auto* registry = new Registry();
  return *registry;
}

struct Registration {
  Reader reader;
  Registration() {
    std::lock_guard<std::mutex> lock(TheRegistry().mutex);
    TheRegistry().readers.push_back(&reader);
  }
  ~Registration() {
    thread_reader = nullptr;
    std::lock_guard<std::mutex> lock(TheRegistry().mutex);
    auto& readers = TheRegistry().readers;
    readers.erase(std::find(readers.begin(), readers.end(), &reader));
  }
};

}  // namespace

__thread Reader* thread_reader = nullptr;

Reader& RegisterThread() {
  thread_local Registration registration;
  thread_reader = &registration.reader;
  return registration.reader;
}

const bool kHasMembarrier = syscall(__NR_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;

void MakeThreadsPassBarrier() {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (!kHasMembarrier) return;
  // The expedited command interrupts the CPUs of our threads. Before Linux 5.5 it can fail if memory is short. The
  // other command needs no memory and waits until every CPU has switched tasks.
  if (syscall(__NR_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0) return;
  while (syscall(__NR_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) != 0) sched_yield();
}

bool WaitForReaders(uint64_t handle, int timeout_ms) {
  MakeThreadsPassBarrier();
  Registry& registry = TheRegistry();
  std::vector<std::pair<Reader*, uint64_t>> inside;
  {
    std::lock_guard<std::mutex> lock(registry.mutex);
    for (Reader* reader : registry.readers) {
      uint64_t epoch = reader->epoch.load(std::memory_order_acquire);
      // A reader writes its handle before it enters, so that an odd epoch goes with the handle that is seen after it.
      constexpr uint64_t kPlace = (uint64_t{1} << kPlaceBits) - 1;
      const bool same_place = ((reader->inside.load(std::memory_order_relaxed) ^ handle) & kPlace) == 0;
      bool is_inside = epoch % 2 == 1 && same_place;
      if (is_inside) inside.emplace_back(reader, epoch);
    }
  }
  auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  while (!inside.empty()) {
    {
      std::lock_guard<std::mutex> lock(registry.mutex);
      auto left = [&](const std::pair<Reader*, uint64_t>& seen) {
        bool alive = std::find(registry.readers.begin(), registry.readers.end(), seen.first) != registry.readers.end();
        return !alive || seen.first->epoch.load(std::memory_order_acquire) != seen.second;
      };
      inside.erase(std::remove_if(inside.begin(), inside.end(), left), inside.end());
    }
    if (inside.empty()) break;
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  return true;
}

}  // namespace vfio_engine
