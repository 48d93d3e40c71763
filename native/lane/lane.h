// A ring of operations between one producer thread and one I/O worker.
#pragma once

#include <memory>
#include <mutex>

#include "common/handle_table.h"
#include "lane/layout.h"
#include "lane/notifier.h"
#include "memory/mapping.h"

namespace vfio_engine {

class Lane {
 public:
  // `capacity` is a power of two, at most kMaxLaneCapacity. Throws SysError("mmap").
  explicit Lane(uint32_t capacity);

  // Runs at most `quota` operations. Returns whether it made progress; sets `busy` when one took its slice of time
  // and goes on. Thread: the worker's.
  bool Serve(uint32_t quota, bool* busy);
  // Whether the producer has published what is not completed. Thread: the worker's.
  bool HasWork() const;
  // Answers what a dead worker had claimed with EOWNERDEAD, so that it never runs twice. Thread: any, once the worker
  // is gone.
  void Recover();
  // Answers all that was published with EOWNERDEAD. Thread: one at a time, any, once no worker serves any more.
  void Fail();
  // Looks at `completed` until it is no longer `seen`, `looks` times at most. Returns whether it changed. Thread: the
  // producer's.
  bool SpinForCompletion(uint32_t seen, uint32_t looks) const;
  // Sleeps until `completed` is no longer `seen`, at most `timeout_us`. Thread: the producer's.
  void WaitForCompletion(uint32_t seen, uint64_t timeout_us);

  void SetNotifier(std::shared_ptr<Notifier> notifier);
  const std::shared_ptr<Mapping>& memory() const { return memory_; }

 private:
  LaneHeader& header() const { return *reinterpret_cast<LaneHeader*>(memory_->data()); }
  Slot* SlotAt(uint32_t index) const;
  int Run(uint32_t index, Slot* copy);
  void Answer(uint32_t index, const Slot& copy, int status);
  void Publish();
  void TellProducer();

  std::shared_ptr<Mapping> memory_;
  // Never read back from shared memory, which the other side may write.
  const uint32_t capacity_;
  // What is answered; the producer's `completed` follows, a few answers at a time.
  uint32_t completed_ = 0;
  bool under_way_ = false;
  // Whether operations took less than a microsecond each when there were many at last.
  bool quick_ = false;
  Slot current_{};
  std::mutex notifier_mutex_;
  std::shared_ptr<Notifier> notifier_;
};

HandleTable<Lane>& Lanes();

}  // namespace vfio_engine
