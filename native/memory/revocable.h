// Device memory that may go away under its users (memory decoding off, low power, a reset, a truncated file): revoked,
// it reads as 0xFF, and whoever accesses it by checked code is told. It can be restored at the same address.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

#include "common/unique_fd.h"

namespace vfio_engine {

// What JavaScript sees of it: a SharedArrayBuffer of kSharedSize bytes, whose first word is the epoch.
struct alignas(64) RevocationState {
  static constexpr size_t kSharedSize = 64;
  // Even: mapped. Odd: revoked. Each change adds one; Revocable::kClosed is the last.
  std::atomic<uint32_t> epoch{0};
  uint32_t unused0 = 0;
  // The byte of the range at which the last fault revoked it.
  std::atomic<uint64_t> fault_offset{0};
  uint64_t unused[6] = {};
  // What all SharedArrayBuffers over the first 64 bytes share (see external_buffer.h), and the lock that goes with it.
  std::mutex view_mutex;
  std::weak_ptr<void> view_store;
};

class Revocable {
 public:
  static constexpr uint32_t kClosed = 0xFFFFFFFFu;

  // Answers faults in [start, start + length), whole pages, from now on. `signal` is an eventfd that every revocation
  // by a fault counts in, or null. Throws SysError. Thread: any.
  Revocable(uint8_t* start, size_t length, int prot, std::shared_ptr<UniqueFd> signal);
  // The range is unmapped only after that. Thread: any.
  ~Revocable();
  Revocable(const Revocable&) = delete;
  Revocable& operator=(const Revocable&) = delete;

  // Whoever accesses the memory reads the epoch, makes the access, and reads the epoch again: if it changed, or was
  // odd, the access may have met memory of 0xFF. Revoking makes the new epoch visible to every thread before it
  // replaces the memory.
  uint32_t epoch() const { return state_->epoch.load(std::memory_order_acquire); }
  static bool IsRevoked(uint32_t epoch) { return (epoch & 1) != 0; }
  // Puts 0xFF back where an access wrote that met the revoked memory. Does nothing when that memory is gone: the device
  // is mapped again. `epoch` is what was read before the access. Thread: any.
  void PutOnesBack(uint8_t* address, size_t length, uint32_t epoch) const;

  // Answers a fault of this thread. Returns false when nothing can be done. Async-signal-safe.
  bool OnFault(uintptr_t address);
  // Lets the file go: the memory reads as 0xFF for good. Returns false when the kernel refuses. Thread: any.
  bool Close();
  // Maps the file again at the same address. Does nothing when the memory is not revoked. `length` as the file takes
  // it. Throws SysError: of mmap or mremap, and the memory stays revoked; EBADF once it is closed. Thread: any.
  void Restore(int fd, off_t offset, size_t length);

  // How often it was revoked by a fault. Thread: any.
  uint64_t revocations() const { return revocations_.load(std::memory_order_relaxed); }
  // Lives as long as anybody holds it.
  const std::shared_ptr<RevocationState>& state() const { return state_; }

 private:
  class Lock;

  // Replaces the memory under a new epoch. Returns false when the kernel refuses. With the lock held.
  // Async-signal-safe.
  bool Replace(uint32_t epoch);
  bool FillOnes(uintptr_t address);
  void Tell() const;

  uint8_t* const start_;
  const size_t length_;
  const int prot_;
  const std::shared_ptr<UniqueFd> signal_;
  const std::shared_ptr<RevocationState> state_;
  // Held while the memory is replaced, by a signal handler, too: not a mutex. A holder accesses no page of the memory
  // that may be missing, because its fault would wait for the lock.
  mutable std::atomic<bool> replacing_{false};
  // The epoch of the device memory that the revoked memory took the place of.
  uint32_t replaced_epoch_ = 0;
  std::atomic<uint64_t> revocations_{0};
};

}  // namespace vfio_engine
