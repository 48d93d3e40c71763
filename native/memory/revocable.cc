#include "memory/revocable.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "common/sys_error.h"
#include "lane/quiescence.h"
#include "memory/absent.h"
#include "memory/faults.h"

namespace vfio_engine {
namespace {

// The last fault of this thread after which the access was repeated. The TLS model makes its lookup async-signal-safe:
// it needs no call into the dynamic linker.
struct Attempt {
  const Revocable* memory;
  uint32_t epoch;
};
__thread Attempt last_attempt __attribute__((tls_model("initial-exec"))) = {nullptr, 0};

}  // namespace

class Revocable::Lock {
 public:
  explicit Lock(const Revocable& memory) : replacing_(memory.replacing_) {
    while (replacing_.exchange(true, std::memory_order_acquire)) sched_yield();
  }
  ~Lock() { replacing_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool>& replacing_;
};

Revocable::Revocable(uint8_t* start, size_t length, int prot, std::shared_ptr<UniqueFd> signal)
    : start_(start),
      length_(length),
      prot_(prot),
      signal_(std::move(signal)),
      state_(std::make_shared<RevocationState>()) {
  PrepareAbsent(length);
  WatchFaults(start, length, this);
}

Revocable::~Revocable() { UnwatchFaults(this); }

// A thread reads an even epoch, writes, and reads the epoch again. If its write reached the replaced memory, it sees
// the new epoch, because every thread executes a barrier between the store of the new epoch and the replacement.
bool Revocable::Replace(uint32_t epoch) {
  const uint32_t old = state_->epoch.load(std::memory_order_relaxed);
  state_->epoch.store(epoch, std::memory_order_seq_cst);
  MakeThreadsPassBarrier();
  if (PlaceAbsent(start_, length_, prot_)) {
    replaced_epoch_ = old;
    return true;
  }
  state_->epoch.store(old, std::memory_order_seq_cst);
  return false;
}

bool Revocable::FillOnes(uintptr_t address) {
  if (FillPage(address)) return true;
  Lock lock(*this);
  // The memory was restored meanwhile: the access is repeated on the device.
  if (!IsRevoked(epoch())) return true;
  return FillPiece(address, reinterpret_cast<uintptr_t>(start_), length_, prot_);
}

bool Revocable::OnFault(uintptr_t address) {
  const uint32_t seen = epoch();
  if (IsRevoked(seen)) {
    // The revoking thread holds the lock until the new memory is in place.
    while (replacing_.load(std::memory_order_acquire)) sched_yield();
    return FillOnes(address);
  }
  // The fault can be older than a restoration. So the access is repeated once before the memory is revoked.
  if (last_attempt.memory != this || last_attempt.epoch != seen) {
    last_attempt = {this, seen};
    return true;
  }
  Lock lock(*this);
  if (epoch() != seen) return true;
  state_->fault_offset.store(address - reinterpret_cast<uintptr_t>(start_), std::memory_order_relaxed);
  if (!Replace(seen + 1)) return false;
  Tell();
  return true;
}

void Revocable::Tell() const {
  if (signal_ == nullptr) return;
  const uint64_t one = 1;
  // If the count is full, its reader is woken anyway.
  ssize_t written = write(signal_->get(), &one, sizeof(one));
  static_cast<void>(written);
}

void Revocable::PutOnesBack(uint8_t* address, size_t length, uint32_t epoch) const {
  Lock lock(*this);
  if (!IsRevoked(this->epoch()) || replaced_epoch_ != epoch) return;
  for (size_t i = 0; i < length; i++) const_cast<volatile uint8_t*>(address)[i] = 0xFF;
}

bool Revocable::Close() {
  Lock lock(*this);
  if (!IsRevoked(epoch())) return Replace(kClosed);
  state_->epoch.store(kClosed, std::memory_order_release);
  return true;
}

void Revocable::Suspend() {
  Lock lock(*this);
  if (IsRevoked(epoch())) return;
  if (!PlaceFaulting(start_, length_, prot_)) throw SysError(errno, "mmap");
}

void Revocable::Resume(int fd, off_t offset, size_t length) {
  Lock lock(*this);
  if (!IsRevoked(epoch())) MapAgain(fd, offset, length);
}

void Revocable::MapAgain(int fd, off_t offset, size_t length) {
  // Behind the end of a file the next access would fault again.
  struct stat file = {};
  bool is_short = fstat(fd, &file) == 0 && S_ISREG(file.st_mode) &&
                  (offset > file.st_size || length > static_cast<uint64_t>(file.st_size - offset));
  if (is_short) throw SysError(ENXIO, "mmap");
  // Mapped elsewhere first and then moved, because a failed MAP_FIXED mapping can leave a hole.
  void* fresh = mmap(nullptr, length, prot_, MAP_SHARED, fd, offset);
  int error_number = errno;
  if (fresh == MAP_FAILED) throw SysError(error_number, "mmap");
  if (mremap(fresh, length_, length_, MREMAP_MAYMOVE | MREMAP_FIXED, start_) == MAP_FAILED) {
    error_number = errno;
    munmap(fresh, length_);
    throw SysError(error_number, "mremap");
  }
}

void Revocable::Restore(int fd, off_t offset, size_t length) {
  Lock lock(*this);
  const uint32_t revoked = epoch();
  if (revoked == kClosed) throw SysError(EBADF, "mmap");
  if (!IsRevoked(revoked)) return;
  MapAgain(fd, offset, length);
  state_->epoch.store(revoked + 1, std::memory_order_release);
}

}  // namespace vfio_engine
