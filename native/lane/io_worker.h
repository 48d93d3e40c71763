// What an I/O worker thread serves: a list of lanes that changes at run time.
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

  // Serves the lanes until `max_ms` passed or it was told to stop. Returns whether it goes on. Throws SysError(EBUSY)
  // when another thread serves. Thread: the worker's.
  bool Serve(uint32_t max_ms, uint32_t spin_us);
  // Thread: any.
  void AddLane(std::shared_ptr<Lane> lane);
  // Returns when the worker's thread is outside of the lane. Thread: one that may sleep.
  void RemoveLane(const std::shared_ptr<Lane>& lane);
  void Wake();
  void Stop();
  // After the thread died: answers what it had claimed. Thread: any, once it is gone.
  void Recover();
  // When no thread will serve any more: answers all that was published with EOWNERDEAD, and what is published later
  // when its producer wakes the worker. Thread: any, once the worker's is gone.
  void Fail();
  const std::shared_ptr<Mapping>& memory() const { return memory_; }

 private:
  struct Served {
    std::shared_ptr<Lane> lane;
    bool hot = false;
    // Passes in a row without work.
    uint32_t idle = 0;
  };

  WorkerControl& control() const { return *reinterpret_cast<WorkerControl*>(memory_->data()); }
  bool ServeOnce(bool* busy);
  bool ServeCold(bool* busy, size_t looks);
  bool AnyWork();
  void Sleep(uint64_t microseconds);
  void AdaptSpin(uint64_t slept_us, uint32_t most_us);
  void TakeLanes();
  void FailLanes();

  std::shared_ptr<Mapping> memory_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> serving_{false};
  std::atomic<bool> failed_{false};
  std::mutex mutex_;
  std::vector<std::shared_ptr<Lane>> lanes_;
  std::atomic<uint64_t> version_{1};
  // The worker thread's own copy, and the version it is of.
  std::vector<Served> served_;
  // Of those the ones that had work lately: they are looked at in every pass, of the others a few.
  std::vector<uint32_t> hot_;
  size_t cold_cursor_ = 0;
  // How long it looks for work before it sleeps now.
  std::optional<uint32_t> spin_us_;
  std::atomic<uint64_t> served_version_{0};
};

HandleTable<IoWorker>& IoWorkers();

}  // namespace vfio_engine
