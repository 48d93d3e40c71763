// An I/O worker: a thread that serves a list of lanes. The list may change while it serves.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "common/handle_table.h"
#include "lane/lane.h"

namespace vfio_engine {

class IoWorker {
 public:
  IoWorker();

  // Serves the lanes until `max_ms` have passed, the descriptor `wanted` can be read, or Stop is called. Looks for work
  // for `spin_us` before it sleeps. Returns false once Stop was called. Throws SysError(EBUSY) if another thread
  // serves. Thread: the worker's.
  bool Serve(uint32_t max_ms, uint32_t spin_us, int wanted = -1);
  // Adds a lane, which the worker keeps alive until RemoveLane. Thread: any.
  void AddLane(std::shared_ptr<Lane> lane);
  // Removes a lane. Returns when the worker's thread has left it; what the thread does in other lanes is not waited
  // for. Thread: any that may block.
  void RemoveLane(const std::shared_ptr<Lane>& lane);
  // Wakes the worker if it sleeps. Thread: any.
  void Wake();
  // Ends Serve. Thread: any.
  void Stop();
  // Answers the operation that a dead thread had claimed, with EOWNERDEAD. Thread: any, after the worker's thread
  // ended.
  void Recover();
  // Call it when no thread will serve any more: answers all published operations with EOWNERDEAD, and later ones when
  // their producer wakes the worker. Thread: any, after the worker's thread ended.
  void Fail();
  const std::shared_ptr<Mapping>& memory() const { return memory_; }

 private:
  struct Served {
    std::shared_ptr<Lane> lane;
    bool hot = false;
    // How many passes in a row found no work.
    uint32_t idle = 0;
  };

  WorkerControl& control() const { return *reinterpret_cast<WorkerControl*>(memory_->data()); }
  bool ServeOnce(bool* busy);
  bool ServeLane(Lane& lane, bool* busy);
  bool ServeCold(bool* busy, size_t looks);
  bool AnyWork();
  void Sleep(uint64_t microseconds);
  void AdaptSpin(uint64_t slept_us, uint32_t most_us);
  void TakeLanes();
  void ReserveServed();
  void FailLanes();

  std::shared_ptr<Mapping> memory_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> serving_{false};
  std::atomic<bool> failed_{false};
  std::mutex mutex_;
  std::vector<std::shared_ptr<Lane>> lanes_;
  std::atomic<uint64_t> version_{1};
  // The worker thread's own copy of `lanes_`.
  std::vector<Served> served_;
  // Room for a longer `served_` and `hot_`, made by the thread that adds a lane: the worker's thread must not need
  // memory. The mutex guards them.
  std::vector<Served> more_served_;
  std::vector<uint32_t> more_hot_;
  // For how many lanes there is room.
  size_t reserved_ = 0;
  // Indexes into `served_` of the lanes that had work lately. Each pass looks at all of them and at a few others.
  std::vector<uint32_t> hot_;
  size_t cold_cursor_ = 0;
  // How long the worker looks for work before it sleeps. AdaptSpin changes it.
  std::optional<uint32_t> spin_us_;
  // The version of `lanes_` that `served_` is a copy of.
  std::atomic<uint64_t> served_version_{0};
  // The lane that the worker's thread is in.
  std::atomic<const Lane*> inside_{nullptr};
};

// The process's table of workers. Thread: any.
HandleTable<IoWorker>& IoWorkers();

}  // namespace vfio_engine
