#include "lane/lane.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "lane/execute.h"
#include "lane/futex.h"

namespace vfio_engine {
namespace {

constexpr uint32_t kSlotsAhead = 2;
// Each store to `completed` takes its cache line away from the producer's core. So quick answers are published
// together. Slow answers, which a producer may wait for, are published one by one.
constexpr uint32_t kAnswersAtATime = 8;
// After so many operations that may block, if they are quick, the clock is read, and after so long the next lane has
// its turn. If they are not quick, the clock is read after each.
constexpr uint32_t kBlockingPerLook = 16;
constexpr uint64_t kBlockingTurnUs = 1000;

}  // namespace

__thread BlockHook* block_hook = nullptr;

Lane::Lane(uint32_t capacity)
    : memory_(Mapping::Allocate(sizeof(LaneHeader) + static_cast<size_t>(capacity) * sizeof(Slot))),
      capacity_(capacity) {
  header().capacity = capacity;
}

Slot* Lane::SlotAt(uint32_t index) const {
  auto* slots = reinterpret_cast<Slot*>(memory_->data() + sizeof(LaneHeader));
  return &slots[index & (capacity_ - 1)];
}

bool Lane::HasWork() const { return header().produced.load(std::memory_order_acquire) != answered(); }

int Lane::Run(uint32_t index, Slot* copy) {
  const Slot* shared = SlotAt(index);
  if (under_way_) {
    *copy = current_;
  } else {
    // The producer can still write the slot. Only this copy is checked and used.
    std::memcpy(copy, shared, sizeof(Slot));
    // Keeps the compiler from loading a field from the slot again.
    std::atomic_signal_fence(std::memory_order_seq_cst);
    // Of a program that goes on, it says how a step has failed.
    copy->status = 0;
  }
  bool cancelled = __atomic_load_n(&shared->cancelled, __ATOMIC_RELAXED) != 0;
  int status = cancelled ? -ECANCELED : Execute(*copy, reach_);
  under_way_ = status == kAgain;
  if (under_way_) current_ = *copy;
  return status;
}

void Lane::Answer(uint32_t index, const Slot& copy, int status) {
  Slot* shared = SlotAt(index);
  shared->value = copy.value;
  shared->status = status;
  completed_.store(index + 1, std::memory_order_relaxed);
}

void Lane::Publish() { header().completed.store(answered(), std::memory_order_release); }

// A finished answer does not wait for an operation that can block. Where such operations followed each other and took
// less than a microsecond each, they go on as quick ones: telling the producer of each would cost half as much as the
// operation.
void Lane::BeforeBlocking() {
  blocking_++;
  const bool follows = last_blocked_;
  blocks_ = true;
  if (told_ == answered() || (follows && quick_blocking_)) return;
  Publish();
  TellProducer();
}

bool Lane::Serve(uint32_t quota, bool* busy) {
  LaneHeader& shared = header();
  uint32_t produced = shared.produced.load(std::memory_order_acquire);
  uint32_t available = produced - answered();
  // If the producer wrote an impossible index, at most one ring of slots is run. Each slot is checked.
  if (available > capacity_) available = capacity_;
  if (available > quota) available = quota;
  const bool many = available >= kAnswersAtATime;
  const uint32_t together = many && quick_ ? kAnswersAtATime : 1;
  const uint32_t blocking_per_look = quick_blocking_ ? kBlockingPerLook : 1;
  uint32_t next_look = blocking_per_look;
  const uint64_t start = many ? NowUs() : 0;
  uint64_t first_look = 0;
  bool progress = false;
  blocking_ = 0;
  block_hook = this;
  for (uint32_t i = 0; i < available; i++) {
    uint32_t index = answered();
    shared.claimed.store(index + 1, std::memory_order_relaxed);
    // The cache lines of the slots are with the producer's core: fetch them while this operation runs.
    if (i + kSlotsAhead < available) __builtin_prefetch(SlotAt(index + kSlotsAhead), 1);
    Slot copy;
    int status = Run(index, &copy);
    if (status == kAgain) {
      *busy = true;
      break;
    }
    Answer(index, copy, status);
    last_blocked_ = blocks_;
    blocks_ = false;
    progress = true;
    if (answered() % together == 0) Publish();
    if (blocking_ >= next_look) {
      next_look = blocking_ + blocking_per_look;
      const uint64_t now = NowUs();
      if (first_look == 0) first_look = now;
      if (now - first_look >= kBlockingTurnUs) {
        *busy = true;
        break;
      }
    }
  }
  block_hook = nullptr;
  // Less than a microsecond each. The next round is expected to be like this one.
  if (many) {
    const uint64_t took = NowUs() - start;
    quick_ = took <= available;
    if (blocking_ > 0) quick_blocking_ = took <= blocking_;
  }
  if (progress) {
    Publish();
    TellProducer();
  }
  return progress;
}

void Lane::TellProducer() {
  told_ = answered();
  LaneHeader& shared = header();
  // Pairs with the producer, which stores its flag and then loads `completed` again.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (shared.waiting.load(std::memory_order_relaxed) != 0) FutexWake(shared.completed);
  if (shared.notify.load(std::memory_order_relaxed) == 0 || shared.notify.exchange(0) == 0) return;
  std::lock_guard<std::mutex> lock(notifier_mutex_);
  if (notifier_) notifier_->Signal();
}

void Lane::Recover() {
  under_way_ = false;
  uint32_t claimed = header().claimed.load(std::memory_order_acquire);
  // The worker claims one operation at a time. Any other value was written by the producer.
  if (claimed - answered() != 1) return;
  Slot copy = *SlotAt(answered());
  Answer(answered(), copy, -EOWNERDEAD);
  Publish();
  TellProducer();
}

void Lane::Fail() {
  under_way_ = false;
  uint32_t left = std::min(header().produced.load(std::memory_order_seq_cst) - answered(), capacity_);
  if (left == 0) return;
  for (; left > 0; left--) {
    Slot copy = *SlotAt(answered());
    Answer(answered(), copy, -EOWNERDEAD);
  }
  Publish();
  TellProducer();
}

bool Lane::SpinForCompletion(uint32_t seen, uint32_t looks) const {
  for (uint32_t look = 0; look < looks; look++) {
    if (header().completed.load(std::memory_order_acquire) != seen) return true;
    SpinPause(look);
  }
  return header().completed.load(std::memory_order_acquire) != seen;
}

void Lane::WaitForCompletion(uint32_t seen, uint64_t timeout_us) {
  LaneHeader& shared = header();
  shared.waiting.store(1, std::memory_order_seq_cst);
  if (shared.completed.load(std::memory_order_seq_cst) == seen) FutexWait(shared.completed, seen, timeout_us);
  shared.waiting.store(0, std::memory_order_relaxed);
}

void Lane::SetNotifier(std::shared_ptr<CompletionSignal> notifier) {
  std::lock_guard<std::mutex> lock(notifier_mutex_);
  notifier_ = std::move(notifier);
}

HandleTable<Lane>& Lanes() {
  // Never destroyed: threads may still run while the process exits.
  static auto* table = new HandleTable<Lane>();
  return *table;
}

}  // namespace vfio_engine
