// Readers that never lock, and a writer that waits until none of them can still hold what it took away.
#pragma once

#include <atomic>
#include <cstdint>

namespace vfio_engine {

// One for each thread that reads: odd while it is inside.
struct Reader {
  std::atomic<uint64_t> epoch{0};
};

Reader& RegisterThread();
// This thread's, once it has one. `__thread` and a pointer, because every access pays for what it costs to find: a
// `thread_local` object goes through a wrapper and a guard.
extern __thread Reader* thread_reader;

// Thread: any; the reader lives as long as the thread.
inline Reader& ThreadReader() {
  Reader* reader = thread_reader;
  return reader != nullptr ? *reader : RegisterThread();
}

// False where the kernel has no membarrier for us; readers then pay for a fence themselves.
extern const bool kHasMembarrier;

// Makes every thread of the process pass a full memory barrier. Async-signal-safe. Thread: any.
void MakeThreadsPassBarrier();

// The other side of MakeThreadsPassBarrier: keeps the order of what comes before and after, as other threads see it.
inline void PairWithBarrier() {
  // The membarrier stands for the fence that belongs here.
  if (kHasMembarrier) {
    std::atomic_signal_fence(std::memory_order_seq_cst);
  } else {
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
}

class ReadSection {
 public:
  explicit ReadSection(Reader& reader = ThreadReader()) : reader_(reader) {
    epoch_ = reader_.epoch.load(std::memory_order_relaxed) + 1;
    reader_.epoch.store(epoch_, std::memory_order_relaxed);
    PairWithBarrier();
  }
  ~ReadSection() { reader_.epoch.store(epoch_ + 1, std::memory_order_release); }
  ReadSection(const ReadSection&) = delete;
  ReadSection& operator=(const ReadSection&) = delete;

 private:
  Reader& reader_;
  uint64_t epoch_;
};

// Waits until every reader that was inside has left once. False when `timeout_ms` passed first. Thread: one that may
// sleep and is not inside.
bool WaitForReaders(int timeout_ms);

}  // namespace vfio_engine
