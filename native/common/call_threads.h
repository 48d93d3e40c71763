// Threads for system calls that may block, so that neither libuv's four threads nor another call waits for them.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>

namespace vfio_engine {

class CallThreads {
 public:
  // The threads of the process. Thread: any.
  static CallThreads& Get();

  // Runs `work`, which must not throw, on a thread of its own: an idle one or a new one. If no thread can be made,
  // `work` waits for one of those that are busy; if there is none either, throws SysError(EAGAIN). Throws
  // SysError(ENOMEM). If it throws, `work` does not run. Thread: any.
  void Run(std::function<void()> work);

 private:
  CallThreads() = default;
  void Start();
  void Serve();
  static void* Main(void* threads);

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;
  size_t threads_ = 0;
  size_t idle_ = 0;
};

}  // namespace vfio_engine
