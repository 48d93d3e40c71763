#include "lane/io_worker.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "common/error.h"
#include "lane/execute.h"
#include "lane/futex.h"

namespace vfio_engine {
namespace {

// What one lane may take before the next has its turn.
constexpr uint32_t kQuota = 64;
// How often the clock is looked at while spinning.
constexpr uint32_t kSpinsPerLook = 64;

}  // namespace

IoWorker::IoWorker() : memory_(Mapping::Allocate(sizeof(WorkerControl))) {}

void IoWorker::TakeLanes() {
  if (served_version_.load(std::memory_order_relaxed) == version_.load(std::memory_order_acquire)) return;
  std::lock_guard<std::mutex> lock(mutex_);
  served_ = lanes_;
  served_version_.store(version_.load(std::memory_order_relaxed), std::memory_order_release);
}

bool IoWorker::ServeOnce(bool* busy) {
  TakeLanes();
  bool progress = false;
  for (const auto& lane : served_) progress |= lane->Serve(kQuota, busy);
  return progress;
}

bool IoWorker::AnyWork() {
  return std::any_of(served_.begin(), served_.end(), [](const auto& lane) { return lane->HasWork(); });
}

void IoWorker::Sleep(uint64_t microseconds) {
  WorkerControl& shared = control();
  uint32_t rung = shared.doorbell.load(std::memory_order_relaxed);
  shared.sleeping.store(1, std::memory_order_seq_cst);
  // A producer publishes first and looks at `sleeping` then; so one of the two sees the other.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  bool changed = served_version_.load() != version_.load() || stop_.load();
  if (!changed && !AnyWork()) FutexWait(shared.doorbell, rung, microseconds);
  shared.sleeping.store(0, std::memory_order_relaxed);
}

bool IoWorker::Serve(uint32_t max_ms, uint32_t spin_us) {
  if (serving_.exchange(true)) throw SysError(EBUSY, "workerServe");
  uint64_t now = NowUs();
  const uint64_t end = now + uint64_t{max_ms} * 1000u;
  uint64_t idle_since = now;
  uint32_t looks = 0;
  while (!stop_.load(std::memory_order_relaxed)) {
    bool busy = false;
    bool progress = ServeOnce(&busy);
    if (!progress && !busy) {
      CpuRelax();
      if (++looks % kSpinsPerLook != 0) continue;
    } else if (++looks % kSpinsPerLook != 0 && !busy) {
      idle_since = 0;
      continue;
    }
    now = NowUs();
    if (now >= end) break;
    if (progress || busy || idle_since == 0) {
      idle_since = now;
    } else if (now - idle_since >= spin_us) {
      Sleep(end - now);
      idle_since = NowUs();
      if (idle_since >= end) break;
    }
  }
  serving_.store(false);
  return !stop_.load();
}

void IoWorker::AddLane(std::shared_ptr<Lane> lane) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    lanes_.push_back(std::move(lane));
    version_.fetch_add(1);
  }
  Wake();
}

void IoWorker::RemoveLane(const std::shared_ptr<Lane>& lane) {
  uint64_t wanted;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    lanes_.erase(std::remove(lanes_.begin(), lanes_.end(), lane), lanes_.end());
    wanted = version_.fetch_add(1) + 1;
  }
  Wake();
  // A worker that does not serve takes the new list before it touches a lane again.
  while (serving_.load() && served_version_.load() < wanted) {
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
}

void IoWorker::Wake() {
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

HandleTable<IoWorker>& IoWorkers() {
  // Never destroyed: threads may still run while the process exits.
  static auto* table = new HandleTable<IoWorker>();
  return *table;
}

}  // namespace vfio_engine
