#include "memory/faults.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <mutex>

#include "common/error.h"
#include "memory/ones.h"

namespace vfio_engine {
namespace {

// Slots are never freed, so that the handler can walk them without a lock.
struct Chunk {
  std::array<FaultSlot, 256> slots;
  std::atomic<Chunk*> next{nullptr};
};

// Never destroyed: threads may still run while the process exits.
Chunk& FirstChunk() {
  static Chunk* first = new Chunk();
  return *first;
}

std::mutex table_mutex;
std::atomic<Chunk*> first_chunk{nullptr};
uintptr_t page_size = 4096;
struct sigaction previous_action;

// Runs what was installed before us, as if we were not there.
void Chain(int signal_number, siginfo_t* info, void* context) {
  if ((previous_action.sa_flags & SA_SIGINFO) != 0) return previous_action.sa_sigaction(signal_number, info, context);
  if (previous_action.sa_handler != SIG_DFL && previous_action.sa_handler != SIG_IGN) {
    return previous_action.sa_handler(signal_number);
  }
  // The access is made again on return and then ends the process, with the right address in the core file. A signal
  // that somebody sent is not an access: it is sent again.
  signal(signal_number, SIG_DFL);
  if (info->si_code <= 0) raise(signal_number);
}

bool MendAnywhere(uintptr_t address) {
  for (Chunk* chunk = first_chunk.load(std::memory_order_acquire); chunk != nullptr;
       chunk = chunk->next.load(std::memory_order_acquire)) {
    for (FaultSlot& slot : chunk->slots) {
      if (slot.Mend(address)) return true;
    }
  }
  return false;
}

// Thread: whichever made the access, in the middle of it.
void OnBusError(int signal_number, siginfo_t* info, void* context) {
  int saved_errno = errno;
  // A memory error of the hardware (BUS_MCEERR_*) is not an absent device: lost data must not turn into 0xFF.
  bool absent = info->si_code == BUS_ADRERR || info->si_code == BUS_OBJERR;
  if (!absent || !MendAnywhere(reinterpret_cast<uintptr_t>(info->si_addr))) Chain(signal_number, info, context);
  errno = saved_errno;
}

// Thread: any, with table_mutex held.
void InstallOnce() {
  if (first_chunk.load(std::memory_order_relaxed) != nullptr) return;
  PrepareOnes();
  page_size = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  Check(sigaction(SIGBUS, nullptr, &previous_action), "sigaction");
  first_chunk.store(&FirstChunk(), std::memory_order_release);
  struct sigaction action = {};
  action.sa_sigaction = OnBusError;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  Check(sigaction(SIGBUS, &action, nullptr), "sigaction");
}

}  // namespace

void FaultSlot::Set(uintptr_t start, uintptr_t end, int prot) {
  uint32_t sequence = sequence_.load(std::memory_order_relaxed);
  sequence_.store(sequence + 1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
  start_.store(start, std::memory_order_relaxed);
  end_.store(end, std::memory_order_relaxed);
  prot_.store(prot, std::memory_order_relaxed);
  sequence_.store(sequence + 2, std::memory_order_release);
}

bool FaultSlot::Mend(uintptr_t address) {
  uint32_t sequence = sequence_.load(std::memory_order_acquire);
  uintptr_t start = start_.load(std::memory_order_relaxed);
  uintptr_t end = end_.load(std::memory_order_relaxed);
  int prot = prot_.load(std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_acquire);
  // A slot that changes is not the faulting one: its mapping is held by whoever made the access.
  if (sequence % 2 != 0 || sequence != sequence_.load(std::memory_order_relaxed)) return false;
  if (address < start || address >= end) return false;
  uintptr_t page = address & ~(page_size - 1);
  bool mended = MapOnesOver(reinterpret_cast<void*>(page), page_size, prot);
  if (!mended) {
    // A file of huge pages: only a whole one can be replaced.
    uintptr_t huge_page = address & ~(uintptr_t{kOnesSize} - 1);
    if (huge_page < start) return false;
    mended = MapOnesOver(reinterpret_cast<void*>(huge_page), std::min<uintptr_t>(kOnesSize, end - huge_page), prot);
  }
  if (mended) count_.fetch_add(1, std::memory_order_relaxed);
  return mended;
}

FaultSlot* WatchFaults(uint8_t* start, size_t length, int prot) {
  std::lock_guard<std::mutex> lock(table_mutex);
  InstallOnce();
  FaultSlot* slot = nullptr;
  for (Chunk* chunk = &FirstChunk(); slot == nullptr; chunk = chunk->next.load(std::memory_order_relaxed)) {
    for (FaultSlot& candidate : chunk->slots) {
      if (!candidate.used_) slot = &candidate;
    }
    if (slot == nullptr && chunk->next.load(std::memory_order_relaxed) == nullptr) {
      chunk->next.store(new Chunk(), std::memory_order_release);
    }
  }
  slot->used_ = true;
  slot->count_.store(0, std::memory_order_relaxed);
  auto address = reinterpret_cast<uintptr_t>(start);
  slot->Set(address, address + length, prot);
  return slot;
}

void UnwatchFaults(FaultSlot* slot) {
  std::lock_guard<std::mutex> lock(table_mutex);
  slot->Set(0, 0, 0);
  slot->used_ = false;
}

}  // namespace vfio_engine
