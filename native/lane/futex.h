// Sleeps on a word of shared memory, and spins.
#pragma once

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstdint>

namespace vfio_engine {

// Sleeps while the word has this value, for at most `microseconds`. It can return early. The memory must stay mapped
// until it returns. Thread: any that may block.
inline void FutexWait(std::atomic<uint32_t>& word, uint32_t value, uint64_t microseconds) {
  timespec timeout{static_cast<time_t>(microseconds / 1000000u), static_cast<long>(microseconds % 1000000u) * 1000};
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, &timeout, nullptr, 0);
}

// Wakes all threads that sleep on the word. Thread: any.
inline void FutexWake(std::atomic<uint32_t>& word) {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

// Tells the CPU that the thread spins.
inline void CpuRelax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Pauses in a loop that waits for another thread; `look` counts its passes. Every 32nd pass yields, because the
// scheduler may have put both threads on one CPU.
inline void SpinPause(uint32_t look) {
  constexpr uint32_t kLooksPerYield = 32;
  if (look % kLooksPerYield == kLooksPerYield - 1) {
    sched_yield();
  } else {
    CpuRelax();
  }
}

}  // namespace vfio_engine
