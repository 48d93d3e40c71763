#include "lane/quiescence.h"

#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <thread>
#include <vector>

namespace vfio_engine {
namespace {

struct Registration;

struct Registry {
  std::mutex mutex;
  // In the order of their numbers.
  std::vector<const Registration*> readers;
  uint64_t last_number = 0;
};

// Never destroyed: threads can end after static destructors ran.
Registry& TheRegistry() {
  static auto* registry = new Registry();
  return *registry;
}

struct Registration {
  Reader reader;
  uint64_t number = 0;
  Registration() {
    std::lock_guard<std::mutex> lock(TheRegistry().mutex);
    TheRegistry().readers.push_back(this);
    number = ++TheRegistry().last_number;
  }
  ~Registration() {
    thread_reader = nullptr;
    std::lock_guard<std::mutex> lock(TheRegistry().mutex);
    auto& readers = TheRegistry().readers;
    readers.erase(std::find(readers.begin(), readers.end(), this));
  }
};

// A reader that is inside, by its number; 0 for none.
struct Inside {
  uint64_t number = 0;
  uint64_t epoch = 0;
};

// Returns the first registration whose number is at least `number`. The caller holds the registry's lock.
auto FirstFrom(const Registry& registry, uint64_t number) {
  return std::lower_bound(registry.readers.begin(), registry.readers.end(), number,
                          [](const Registration* each, uint64_t limit) { return each->number < limit; });
}

// Returns the first reader after `number` that is inside of the handle's place.
Inside NextInside(uint64_t handle, uint64_t number) {
  Registry& registry = TheRegistry();
  std::lock_guard<std::mutex> lock(registry.mutex);
  for (auto it = FirstFrom(registry, number + 1); it != registry.readers.end(); ++it) {
    const Reader& reader = (*it)->reader;
    uint64_t epoch = reader.epoch.load(std::memory_order_acquire);
    // A reader writes its handle before it enters, so that an odd epoch goes with the handle that is seen after it.
    constexpr uint64_t kPlace = (uint64_t{1} << kPlaceBits) - 1;
    const bool same_place = ((reader.inside.load(std::memory_order_relaxed) ^ handle) & kPlace) == 0;
    if (epoch % 2 == 1 && same_place) return {(*it)->number, epoch};
  }
  return {};
}

bool HasLeft(const Inside& inside) {
  Registry& registry = TheRegistry();
  std::lock_guard<std::mutex> lock(registry.mutex);
  auto it = FirstFrom(registry, inside.number);
  const bool is_alive = it != registry.readers.end() && (*it)->number == inside.number;
  return !is_alive || (*it)->reader.epoch.load(std::memory_order_acquire) != inside.epoch;
}

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

// Waits for one reader after the other, so that it needs no memory: a region is closed also if there is none. A reader
// that enters meanwhile does not find the region and leaves at once.
bool WaitForReaders(uint64_t handle, int timeout_ms) {
  MakeThreadsPassBarrier();
  auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  Inside inside = NextInside(handle, 0);
  while (inside.number != 0) {
    if (HasLeft(inside)) {
      inside = NextInside(handle, inside.number);
      continue;
    }
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  return true;
}

}  // namespace vfio_engine
