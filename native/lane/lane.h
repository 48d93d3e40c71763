// A ring of operations between one producer thread and one I/O worker.
#pragma once

#include <memory>
#include <mutex>

#include "common/handle_table.h"
#include "lane/block_hook.h"
#include "lane/completion_signal.h"
#include "lane/layout.h"
#include "lane/reach.h"
#include "memory/mapping.h"

namespace vfio_engine {

class IoWorker;

class Lane : private BlockHook {
 public:
  // Allocates the lane's memory. `capacity` is a power of two, at most kMaxLaneCapacity. Throws SysError("mmap").
  explicit Lane(uint32_t capacity);

  // Runs at most `quota` operations. Returns whether it completed one. Sets `*busy` if one used up its slice of time
  // and is not done. Thread: the worker's.
  bool Serve(uint32_t quota, bool* busy);
  // Tells whether a published operation is not completed. Thread: the worker's.
  bool HasWork() const;
  // Answers the operation that a dead worker had claimed with EOWNERDEAD, so that it never runs twice. Thread: any,
  // after the worker's thread ended.
  void Recover();
  // Answers all published operations with EOWNERDEAD. Thread: one at a time, after the worker's thread ended for good.
  void Fail();
  // Loads `completed` until it is no longer `seen`, at most `looks` times. Returns whether it changed. Thread: the
  // producer's.
  bool SpinForCompletion(uint32_t seen, uint32_t looks) const;
  // Sleeps until `completed` is no longer `seen`, for at most `timeout_us`. Thread: the producer's, if it may block.
  void WaitForCompletion(uint32_t seen, uint64_t timeout_us);

  // Sets the notifier of the producer's event loop; null for none. Thread: any.
  void SetNotifier(std::shared_ptr<CompletionSignal> notifier);
  const std::shared_ptr<Mapping>& memory() const { return memory_; }
  // The regions and buffers that its operations can use. Thread: any.
  Reach& reach() { return reach_; }

  // The worker that may serve it: IoWorker's.
  std::atomic<const IoWorker*> server{nullptr};

 private:
  void BeforeBlocking() override;
  LaneHeader& header() const { return *reinterpret_cast<LaneHeader*>(memory_->data()); }
  Slot* SlotAt(uint32_t index) const;
  uint32_t answered() const { return completed_.load(std::memory_order_relaxed); }
  int Run(uint32_t index, Slot* copy);
  void Answer(uint32_t index, const Slot& copy, int status);
  void Publish();
  void TellProducer();

  std::shared_ptr<Mapping> memory_;
  // Never read back from the shared memory, which the producer can write.
  const uint32_t capacity_;
  Reach reach_;
  // How many operations are answered. The shared `completed` follows it, a few answers at a time. Only the thread that
  // serves the lane writes it. It is atomic because HasWork reads it, which a worker can still call after RemoveLane.
  std::atomic<uint32_t> completed_{0};
  // Of how many answers the producer was told.
  uint32_t told_ = 0;
  // How many operations of this turn could block.
  uint32_t blocking_ = 0;
  // Whether the operation that runs can block, and whether the last one could.
  bool blocks_ = false;
  bool last_blocked_ = false;
  // Whether `current_` is an operation that used up its slice of time and is not done.
  bool under_way_ = false;
  // Whether operations took less than a microsecond each in the last round that had many of them.
  bool quick_ = false;
  // The same of the last such round with operations that could block. Quick ones that cannot block say nothing of them.
  bool quick_blocking_ = false;
  Slot current_{};
  std::mutex notifier_mutex_;
  std::shared_ptr<CompletionSignal> notifier_;
};

// The process's table of lanes. Thread: any.
HandleTable<Lane>& Lanes();

}  // namespace vfio_engine
