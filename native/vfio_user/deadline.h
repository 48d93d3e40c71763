// The time at which a wait ends.
#pragma once

#include <chrono>
#include <cstdint>

namespace vfio_engine {

class Deadline {
 public:
  using Clock = std::chrono::steady_clock;

  // With `milliseconds` below 0 the deadline never passes.
  static Deadline In(int64_t milliseconds) {
    Deadline deadline;
    deadline.never_ = milliseconds < 0;
    if (!deadline.never_) deadline.at_ = Clock::now() + std::chrono::milliseconds(milliseconds);
    return deadline;
  }
  bool Passed() const { return !never_ && Clock::now() >= at_; }
  bool never() const { return never_; }
  Clock::time_point at() const { return at_; }
  // For poll(2): rounded up, so that a wait does not end early. -1 if it never passes.
  int RemainingMs() const {
    if (never_) return -1;
    auto left = std::chrono::ceil<std::chrono::milliseconds>(at_ - Clock::now()).count();
    return left <= 0 ? 0 : left > 1'000'000'000 ? 1'000'000'000 : static_cast<int>(left);
  }

 private:
  bool never_ = true;
  Clock::time_point at_{};
};

}  // namespace vfio_engine
