// Readers that take no lock, and a writer that waits until no reader can still hold an object that it removed.
#pragma once

#include <atomic>
#include <cstdint>

namespace vfio_engine {

// One for each reading thread. The epoch is odd while the thread is inside a ReadSection.
struct Reader {
  std::atomic<uint64_t> epoch{0};
  // The handle of the region that the thread reads.
  std::atomic<uint64_t> inside{0};
};

// Makes the calling thread's reader, which lives as long as the thread.
Reader& RegisterThread();
// The calling thread's reader, null before the first ThreadReader. A `__thread` pointer, because every access pays for
// the lookup: a `thread_local` object is found through a wrapper and a guard.
extern __thread Reader* thread_reader;

// Returns the calling thread's reader, which lives as long as the thread. Thread: any.
inline Reader& ThreadReader() {
  Reader* reader = thread_reader;
  return reader != nullptr ? *reader : RegisterThread();
}

// False if the kernel offers no membarrier(2). Each reader then executes a fence.
extern const bool kHasMembarrier;

// Makes every thread of the process execute a full memory barrier. Async-signal-safe. Thread: any.
void MakeThreadsPassBarrier();

// The other side of MakeThreadsPassBarrier: other threads see the accesses before it and those after it in this order.
inline void PairWithBarrier() {
  // The membarrier replaces the fence that would be needed here.
  if (kHasMembarrier) {
    std::atomic_signal_fence(std::memory_order_seq_cst);
  } else {
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
}

// While it lives, WaitForReaders of another thread waits. It must not be nested.
class ReadSection {
 public:
  // `handle` is the region that the caller is about to look up: WaitForReaders of another region does not wait.
  explicit ReadSection(uint64_t handle, Reader& reader = ThreadReader()) : reader_(reader) {
    reader_.inside.store(handle, std::memory_order_relaxed);
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

// Handles with the same low bits share a place in the table of regions, one after the other.
constexpr unsigned kPlaceBits = 16;

// Waits until every reader that is inside of `handle`, or of an older handle with the same place, has left once: a
// reader with a stale handle looks at the region that has the place now. Returns false if `timeout_ms` passed first.
// Thread: any that may block and is not inside a ReadSection.
bool WaitForReaders(uint64_t handle, int timeout_ms);

}  // namespace vfio_engine
