#include "common/call_threads.h"

#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>

#include <chrono>
#include <new>
#include <utility>

#include "common/sys_error.h"

namespace vfio_engine {
namespace {

// How long a thread without work stays: attaching and detaching make their calls within that time.
constexpr std::chrono::seconds kIdle(10);
constexpr size_t kStackBytes = 512 << 10;

// The faults of a thread's own accesses; every other signal is for the threads that JavaScript knows.
sigset_t SignalsToBlock() {
  sigset_t signals;
  sigfillset(&signals);
  for (int fault : {SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGSYS}) sigdelset(&signals, fault);
  return signals;
}

}  // namespace

CallThreads& CallThreads::Get() {
  // Never destroyed: a thread may be in a call while the process exits.
  static auto* threads = new CallThreads();
  return *threads;
}

void CallThreads::Run(std::function<void()> work) {
  std::lock_guard<std::mutex> lock(mutex_);
  try {
    queue_.push_back(std::move(work));
  } catch (const std::bad_alloc&) {
    throw SysError(ENOMEM, "malloc");
  }
  if (idle_ >= queue_.size()) {
    wake_.notify_one();
    return;
  }
  try {
    Start();
    threads_++;
  } catch (const SysError&) {
    if (threads_ > 0) return;
    queue_.pop_back();
    throw;
  }
}

void CallThreads::Start() {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  // A thread inherits the mask of the one that makes it.
  const sigset_t blocked = SignalsToBlock();
  sigset_t before;
  pthread_sigmask(SIG_SETMASK, &blocked, &before);
  pthread_t thread;
  int error = pthread_create(&thread, &attributes, Main, this);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (error != 0) throw SysError(error, "pthread_create");
}

void* CallThreads::Main(void* threads) {
  // What /proc and debuggers show.
  prctl(PR_SET_NAME, "vfio-call");
  static_cast<CallThreads*>(threads)->Serve();
  return nullptr;
}

void CallThreads::Serve() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    while (!queue_.empty()) {
      std::function<void()> work = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      work();
      // What the work holds is released here, not under the lock.
      work = nullptr;
      lock.lock();
    }
    idle_++;
    bool woken = wake_.wait_for(lock, kIdle, [this] { return !queue_.empty(); });
    idle_--;
    if (!woken) break;
  }
  threads_--;
}

}  // namespace vfio_engine
