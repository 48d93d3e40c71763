#include "memory/faults.h"

#include <signal.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <mutex>

#include "common/sys_error.h"
#include "memory/revocable.h"

namespace vfio_engine {
namespace {

// One watched range. A signal handler reads it without a lock, so all fields are atomic, and `sequence` is odd while
// the range changes.
struct Slot {
  std::atomic<uint32_t> sequence{0};
  std::atomic<uintptr_t> start{0};
  std::atomic<uintptr_t> end{0};
  std::atomic<Revocable*> memory{nullptr};

  void Set(uintptr_t new_start, uintptr_t new_end, Revocable* new_memory) {
    uint32_t before = sequence.load(std::memory_order_relaxed);
    sequence.store(before + 1, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_release);
    start.store(new_start, std::memory_order_relaxed);
    end.store(new_end, std::memory_order_relaxed);
    memory.store(new_memory, std::memory_order_relaxed);
    sequence.store(before + 2, std::memory_order_release);
  }

  // Returns this slot's memory if the address lies in it. A slot that is changing cannot be the faulting one, because a
  // thread keeps the memory that it accesses alive.
  Revocable* Find(uintptr_t address) const {
    uint32_t before = sequence.load(std::memory_order_acquire);
    bool inside = address >= start.load(std::memory_order_relaxed) && address < end.load(std::memory_order_relaxed);
    Revocable* found = memory.load(std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_acquire);
    if (before % 2 != 0 || before != sequence.load(std::memory_order_relaxed)) return nullptr;
    return inside ? found : nullptr;
  }
};

// Slots are never freed, so that the handler can walk them without a lock.
struct Chunk {
  std::array<Slot, 256> slots;
  std::atomic<Chunk*> next{nullptr};
};

// Never destroyed: threads may still run while the process exits.
Chunk& FirstChunk() {
  static Chunk* first = new Chunk();
  return *first;
}

std::mutex table_mutex;
std::atomic<Chunk*> first_chunk{nullptr};
struct sigaction previous_action;

// Runs the handler that was installed before ours.
void Chain(int signal_number, siginfo_t* info, void* context) {
  if ((previous_action.sa_flags & SA_SIGINFO) != 0) return previous_action.sa_sigaction(signal_number, info, context);
  if (previous_action.sa_handler != SIG_DFL && previous_action.sa_handler != SIG_IGN) {
    return previous_action.sa_handler(signal_number);
  }
  // The access is repeated on return and then ends the process, with the right address in the core file. A signal that
  // a process sent belongs to no access: it is raised again.
  signal(signal_number, SIG_DFL);
  if (info->si_code <= 0) raise(signal_number);
}

// Calls `visit` for each slot until it returns true. Returns whether it did. Async-signal-safe.
template <class Visit>
bool AnySlot(Visit visit) {
  for (Chunk* chunk = first_chunk.load(std::memory_order_acquire); chunk != nullptr;
       chunk = chunk->next.load(std::memory_order_acquire)) {
    for (Slot& slot : chunk->slots) {
      if (visit(slot)) return true;
    }
  }
  return false;
}

bool Answer(uintptr_t address) {
  return AnySlot([address](Slot& slot) {
    Revocable* memory = slot.Find(address);
    return memory != nullptr && memory->OnFault(address);
  });
}

// The signal handler. Thread: the one that made the access, during the access.
void OnBusError(int signal_number, siginfo_t* info, void* context) {
  int saved_errno = errno;
  // A memory error of the hardware (BUS_MCEERR_*) is not an absent device: lost data must not turn into 0xFF.
  bool absent = info->si_code == BUS_ADRERR || info->si_code == BUS_OBJERR;
  if (!absent || !Answer(reinterpret_cast<uintptr_t>(info->si_addr))) Chain(signal_number, info, context);
  errno = saved_errno;
}

// Thread: any, with table_mutex held.
void InstallOnce() {
  if (first_chunk.load(std::memory_order_relaxed) != nullptr) return;
  // Before the handler is installed: if it were installed twice, it would be its own previous handler.
  Chunk& first = FirstChunk();
  Check(sigaction(SIGBUS, nullptr, &previous_action), "sigaction");
  struct sigaction action = {};
  action.sa_sigaction = OnBusError;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  Check(sigaction(SIGBUS, &action, nullptr), "sigaction");
  first_chunk.store(&first, std::memory_order_release);
}

Slot& FreeSlot() {
  for (Chunk* chunk = &FirstChunk();; chunk = chunk->next.load(std::memory_order_relaxed)) {
    for (Slot& slot : chunk->slots) {
      if (slot.memory.load(std::memory_order_relaxed) == nullptr) return slot;
    }
    if (chunk->next.load(std::memory_order_relaxed) == nullptr) {
      chunk->next.store(new Chunk(), std::memory_order_release);
    }
  }
}

}  // namespace

void WatchFaults(uint8_t* start, size_t length, Revocable* memory) {
  std::lock_guard<std::mutex> lock(table_mutex);
  InstallOnce();
  auto address = reinterpret_cast<uintptr_t>(start);
  FreeSlot().Set(address, address + length, memory);
}

void UnwatchFaults(const Revocable* memory) {
  std::lock_guard<std::mutex> lock(table_mutex);
  AnySlot([memory](Slot& slot) {
    if (slot.memory.load(std::memory_order_relaxed) != memory) return false;
    slot.Set(0, 0, nullptr);
    return true;
  });
}

}  // namespace vfio_engine
