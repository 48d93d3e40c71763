// Threads for a time, and requirements that end the program.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

namespace harness {

inline void Require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "violated: %s\n", what);
  std::abort();
}

inline void Sleep(int microseconds) { std::this_thread::sleep_for(std::chrono::microseconds(microseconds)); }

// Numbers that each thread draws for itself.
class Random {
 public:
  explicit Random(uint32_t seed) : state_(seed * 2654435761u + 1) {}
  uint32_t Below(uint32_t limit) {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 17;
    state_ ^= state_ << 5;
    return state_ % limit;
  }

 private:
  uint32_t state_;
};

// Threads that run until Stop.
class Crew {
 public:
  // Calls `work` again and again.
  void Add(std::function<void()> work) {
    threads_.emplace_back([this, work = std::move(work)] {
      while (!stop_.load(std::memory_order_relaxed)) work();
    });
  }
  void Stop() {
    stop_.store(true);
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
};

}  // namespace harness

// Each runs for about this long and returns how many operations it made.
uint64_t RunLanes(std::chrono::milliseconds time);
uint64_t RunConnections(std::chrono::milliseconds time);
uint64_t RunCallThreads(std::chrono::milliseconds time);
