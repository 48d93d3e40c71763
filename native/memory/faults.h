// Keeps the process alive when mapped device memory goes away under an access (memory decoding off, a reset, a
// truncated file): a page of 0xFF is put under the access, which then completes. Any other SIGBUS goes to the handler
// that was there before. A library that installs its own later, and does not call ours, takes this away.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace vfio_engine {

// One known mapping. A signal handler reads it while other threads write others, so all of it is atomic, and
// `sequence_` is odd while the range changes.
class FaultSlot {
 public:
  // Mends the page that `address` lies in if this slot's mapping holds it. Async-signal-safe.
  bool Mend(uintptr_t address);
  uint64_t count() const { return count_.load(std::memory_order_relaxed); }

 private:
  friend FaultSlot* WatchFaults(uint8_t* start, size_t length, int prot);
  friend void UnwatchFaults(FaultSlot* slot);
  void Set(uintptr_t start, uintptr_t end, int prot);

  std::atomic<uint32_t> sequence_{0};
  std::atomic<uintptr_t> start_{0};
  std::atomic<uintptr_t> end_{0};
  std::atomic<int> prot_{0};
  std::atomic<uint64_t> count_{0};
  bool used_ = false;
};

// Starts to mend faults in a range of whole pages; installs the handler with the first. Throws SysError. Thread: any.
FaultSlot* WatchFaults(uint8_t* start, size_t length, int prot);
// Ends it, before the range is unmapped. Thread: any.
void UnwatchFaults(FaultSlot* slot);

}  // namespace vfio_engine
