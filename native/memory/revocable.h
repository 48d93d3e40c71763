// Device memory that can disappear during its use (memory decoding off, low power, a reset, a truncated file). It is
// then revoked: it reads as 0xFF, and checked accesses fail with ESTALE. It can be restored at the same address.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

#include "common/unique_fd.h"

namespace vfio_engine {

// The state that JavaScript sees as a SharedArrayBuffer of kSharedSize bytes. Its first word is the epoch.
struct alignas(64) RevocationState {
  static constexpr size_t kSharedSize = 64;
  // Even: mapped. Odd: revoked. Each change adds one. Revocable::kClosed is the last value.
  std::atomic<uint32_t> epoch{0};
  uint32_t unused0 = 0;
  // The offset into the range of the fault that revoked it last, bytes.
  std::atomic<uint64_t> fault_offset{0};
  uint64_t unused[6] = {};
  // Shared by all SharedArrayBuffers over the first 64 bytes (see external_buffer.h), and its lock.
  std::mutex view_mutex;
  std::weak_ptr<void> view_store;
};

class Revocable {
 public:
  static constexpr uint32_t kClosed = 0xFFFFFFFFu;

  // Starts to handle faults in [start, start + length), whole pages. The range stays the caller's. `signal` is an
  // eventfd that counts revocations by faults, or null. Throws SysError. Thread: any.
  Revocable(uint8_t* start, size_t length, int prot, std::shared_ptr<UniqueFd> signal);
  // The caller may unmap the range only afterwards. Thread: any.
  ~Revocable();
  Revocable(const Revocable&) = delete;
  Revocable& operator=(const Revocable&) = delete;

  // A checked access reads the epoch, accesses the memory and reads the epoch again. If the epoch is odd or has
  // changed, the access may have reached memory of 0xFF. A revocation makes the new epoch visible to every thread
  // before it replaces the memory.
  uint32_t epoch() const { return state_->epoch.load(std::memory_order_acquire); }
  static bool IsRevoked(uint32_t epoch) { return (epoch & 1) != 0; }
  // Puts 0xFF back after a write that reached revoked memory. Does nothing if the device is mapped again. `epoch` is
  // the epoch that was read before the write. Thread: any.
  void PutOnesBack(uint8_t* address, size_t length, uint32_t epoch) const;

  // Handles a fault of the calling thread. Returns false if it cannot. Async-signal-safe. Thread: any.
  bool OnFault(uintptr_t address);
  // Releases the file: the memory reads as 0xFF for good. Returns false if the kernel rejects it. Thread: any.
  bool Close();
  // Maps the file again at the same address. Does nothing if the memory is not revoked. `length` is the length to map.
  // `fd` stays the caller's. Throws SysError: that of mmap or mremap, and the memory stays revoked; EBADF after Close.
  // Thread: any.
  void Restore(int fd, off_t offset, size_t length);

  // Takes the device's memory away without a revocation: the next access is a fault, which revokes it. Throws SysError.
  // Thread: any.
  void Suspend();
  // Maps the file again at the same address after Suspend, unless a fault has revoked the memory. As Restore otherwise.
  void Resume(int fd, off_t offset, size_t length);

  // The state can outlive this object.
  const std::shared_ptr<RevocationState>& state() const { return state_; }

 private:
  class Lock;

  // Replaces the memory under a new epoch. Returns false if the kernel rejects it. The caller holds the lock.
  // Async-signal-safe.
  bool Replace(uint32_t epoch);
  bool FillOnes(uintptr_t address);
  void MapAgain(int fd, off_t offset, size_t length);
  void Tell() const;

  uint8_t* const start_;
  const size_t length_;
  const int prot_;
  const std::shared_ptr<UniqueFd> signal_;
  const std::shared_ptr<RevocationState> state_;
  // Held while the memory is replaced. A spin lock, because a signal handler takes it too. A holder must not access a
  // page that can be missing, because its fault would wait for the lock.
  mutable std::atomic<bool> replacing_{false};
  // The epoch of the device memory before the last revocation.
  uint32_t replaced_epoch_ = 0;
};

}  // namespace vfio_engine
