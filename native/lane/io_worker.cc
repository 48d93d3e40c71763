#include "lane/io_worker.h"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "common/sys_error.h"
#include "lane/execute.h"
#include "lane/futex.h"
#include "lane/quiescence.h"

namespace vfio_engine {
namespace {

// How many operations of a lane run before the next lane has its turn.
constexpr uint32_t kQuota = 64;
// How many passes without work go between two reads of the clock.
constexpr uint32_t kSpinsPerLook = 64;
// After this many passes without work a lane is looked at in some passes only: each pass looks at kColdLooks of them.
constexpr uint32_t kIdlePasses = 64;
constexpr size_t kColdLooks = 4;
// Spinning for less time finds nothing.
constexpr uint32_t kLeastSpinUs = 5;
// How long a worker serves, and how long it sleeps, before it looks whether its thread is wanted elsewhere.
constexpr uint64_t kServeUs = 1000;
constexpr uint64_t kSleepUs = 25000;

// A negative descriptor never is.
bool IsReadable(int fd) {
  pollfd entry{fd, POLLIN, 0};
  return fd >= 0 && poll(&entry, 1, 0) > 0;
}

}  // namespace

IoWorker::IoWorker() : memory_(Mapping::Allocate(sizeof(WorkerControl))) {}

void IoWorker::TakeLanes() {
  if (served_version_.load(std::memory_order_relaxed) == version_.load(std::memory_order_acquire)) return;
  std::lock_guard<std::mutex> lock(mutex_);
  served_.clear();
  hot_.clear();
  if (served_.capacity() < more_served_.capacity()) served_.swap(more_served_);
  if (hot_.capacity() < more_hot_.capacity()) hot_.swap(more_hot_);
  for (const auto& lane : lanes_) served_.push_back({lane});
  served_version_.store(version_.load(std::memory_order_relaxed), std::memory_order_release);
}

bool IoWorker::ServeOnce(bool* busy) {
  TakeLanes();
  bool progress = false;
  for (size_t i = 0; i < hot_.size();) {
    Served& served = served_[hot_[i]];
    bool polling = false;
    bool worked = ServeLane(*served.lane, &polling);
    *busy |= polling;
    progress |= worked;
    served.idle = worked || polling ? 0 : served.idle + 1;
    if (served.idle < kIdlePasses) {
      i++;
      continue;
    }
    served.hot = false;
    hot_[i] = hot_.back();
    hot_.pop_back();
  }
  // A worker without work looks at all lanes.
  return ServeCold(busy, progress || *busy ? kColdLooks : served_.size()) || progress;
}

// RemoveLane takes the lane's server away and then makes every thread pass a barrier: either this thread's `inside_` is
// visible after it, or this thread sees that the lane is not its own any more. The list that it goes through may be an
// old one, which still has a lane that was removed and added again: acquire, so that this thread sees what the worker
// in between did in the lane.
bool IoWorker::ServeLane(Lane& lane, bool* busy) {
  inside_.store(&lane, std::memory_order_relaxed);
  PairWithBarrier();
  bool worked = lane.server.load(std::memory_order_acquire) == this && lane.Serve(kQuota, busy);
  inside_.store(nullptr, std::memory_order_release);
  return worked;
}

bool IoWorker::ServeCold(bool* busy, size_t looks) {
  if (hot_.size() == served_.size()) return false;
  bool progress = false;
  for (size_t look = std::min(looks, served_.size()); look > 0; look--) {
    cold_cursor_ = cold_cursor_ + 1 < served_.size() ? cold_cursor_ + 1 : 0;
    Served& served = served_[cold_cursor_];
    if (served.hot || !served.lane->HasWork()) continue;
    served.hot = true;
    served.idle = 0;
    hot_.push_back(static_cast<uint32_t>(cold_cursor_));
    progress |= ServeLane(*served.lane, busy);
  }
  return progress;
}

bool IoWorker::AnyWork() {
  return std::any_of(served_.begin(), served_.end(), [](const Served& served) { return served.lane->HasWork(); });
}

void IoWorker::Sleep(uint64_t microseconds) {
  WorkerControl& shared = control();
  uint32_t rung = shared.doorbell.load(std::memory_order_relaxed);
  shared.sleeping.store(1, std::memory_order_seq_cst);
  // A producer publishes and then loads `sleeping`. The worker stores `sleeping` and then looks for work. So at least
  // one of the two sees the other.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  bool changed = served_version_.load() != version_.load() || stop_.load();
  if (!changed && !AnyWork()) FutexWait(shared.doorbell, rung, microseconds);
  shared.sleeping.store(0, std::memory_order_relaxed);
}

bool IoWorker::Serve(uint32_t max_ms, uint32_t spin_us, int wanted) {
  if (serving_.exchange(true)) throw SysError(EBUSY, "workerServe");
  if (!spin_us_) {
    spin_us_ = spin_us;
    control().spin_us.store(spin_us, std::memory_order_relaxed);
  }
  uint64_t now = NowUs();
  const uint64_t end = now + uint64_t{max_ms} * 1000u;
  uint64_t idle_since = now;
  uint64_t next_look = now;
  uint32_t looks = 0;
  while (!stop_.load(std::memory_order_relaxed)) {
    bool busy = false;
    bool progress = ServeOnce(&busy);
    if (!progress && !busy) {
      SpinPause(looks);
      if (++looks % kSpinsPerLook != 0) continue;
    } else if (++looks % kSpinsPerLook != 0 && !busy) {
      idle_since = 0;
      continue;
    }
    now = NowUs();
    if (now >= end) break;
    if (now >= next_look) {
      if (IsReadable(wanted)) break;
      next_look = now + kServeUs;
    }
    if (progress || busy || idle_since == 0) {
      idle_since = now;
    } else if (now - idle_since >= *spin_us_) {
      Sleep(std::min(end - now, kSleepUs));
      idle_since = NowUs();
      AdaptSpin(idle_since - now, spin_us);
      if (idle_since >= end) break;
    }
  }
  serving_.store(false);
  return !stop_.load();
}

// Spins longer if work came soon after the worker fell asleep, and for a shorter time if it did not, as KVM's halt
// polling does.
void IoWorker::AdaptSpin(uint64_t slept_us, uint32_t most_us) {
  if (slept_us < most_us) {
    spin_us_ = std::min(most_us, std::max(kLeastSpinUs, *spin_us_ * 2));
  } else {
    spin_us_ = *spin_us_ / 2 < kLeastSpinUs ? 0 : *spin_us_ / 2;
  }
  control().spin_us.store(*spin_us_, std::memory_order_relaxed);
}

void IoWorker::AddLane(std::shared_ptr<Lane> lane) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    ReserveServed();
    lanes_.push_back(lane);
    lane->server.store(this, std::memory_order_release);
    version_.fetch_add(1);
  }
  Wake();
}

// Makes room for one lane more. The caller holds the mutex.
void IoWorker::ReserveServed() {
  const size_t needed = lanes_.size() + 1;
  if (reserved_ >= needed) return;
  const size_t more = std::max<size_t>(8, needed * 2);
  more_served_.reserve(more);
  more_hot_.reserve(more);
  reserved_ = more;
}

void IoWorker::RemoveLane(const std::shared_ptr<Lane>& lane) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    lanes_.erase(std::remove(lanes_.begin(), lanes_.end(), lane), lanes_.end());
    lane->server.store(nullptr, std::memory_order_relaxed);
    version_.fetch_add(1);
  }
  MakeThreadsPassBarrier();
  Wake();
  // A thread that died inside is outside once Recover has run.
  while (serving_.load() && inside_.load(std::memory_order_acquire) == lane.get()) {
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
}

void IoWorker::Wake() {
  if (failed_.load()) FailLanes();
  WorkerControl& shared = control();
  shared.doorbell.fetch_add(1);
  FutexWake(shared.doorbell);
}

void IoWorker::Stop() {
  stop_.store(true);
  Wake();
}

void IoWorker::Recover() {
  serving_.store(false);
  std::lock_guard<std::mutex> lock(mutex_);
  for (const auto& lane : lanes_) lane->Recover();
}

void IoWorker::Fail() {
  failed_.store(true);
  // Looks like a sleeping worker, so that each producer that publishes wakes it.
  control().sleeping.store(1, std::memory_order_seq_cst);
  FailLanes();
}

void IoWorker::FailLanes() {
  std::lock_guard<std::mutex> lock(mutex_);
  for (const auto& lane : lanes_) lane->Fail();
}

HandleTable<IoWorker>& IoWorkers() {
  // Never destroyed: threads may still run while the process exits.
  static auto* table = new HandleTable<IoWorker>();
  return *table;
}

}  // namespace vfio_engine
