// A promise around work on libuv's thread pool, so that a system call that sleeps never holds the event loop.
#pragma once

#include <optional>
#include <utility>

#include "common/error.h"

namespace vfio_engine {

template <class Work, class Convert>
class PromiseWorker final : public Napi::AsyncWorker {
  using Result = decltype(std::declval<Work>()());

 public:
  PromiseWorker(Napi::Env env, Work work, Convert convert)
      : Napi::AsyncWorker(env),
        deferred_(Napi::Promise::Deferred::New(env)),
        work_(std::move(work)),
        convert_(std::move(convert)) {}
  Napi::Promise Promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    try {
      result_.emplace(work_());
    } catch (const SysError& error) {
      error_.emplace(error);
    } catch (const std::system_error& error) {
      error_.emplace(ThreadError(error));
    } catch (const std::bad_alloc&) {
      error_.emplace(ENOMEM, "malloc");
    }
  }
  // Failures come here too: a SysError is a result, so that it keeps its errno.
  void OnOK() override {
    Napi::Env env = Env();
    Napi::HandleScope scope(env);
    if (error_) return deferred_.Reject(ToJsError(env, *error_).Value());
    try {
      deferred_.Resolve(Guard(env, [&] { return convert_(env, std::move(*result_)); }));
    } catch (const Napi::Error& error) {
      // Else the promise would never be settled.
      deferred_.Reject(error.Value());
    }
  }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  Napi::Promise::Deferred deferred_;
  Work work_;
  Convert convert_;
  std::optional<Result> result_;
  std::optional<SysError> error_;
};

// `work` runs on a pool thread (no JavaScript there; it may throw SysError and returns a value);
// `convert(env, result)` runs on the JavaScript thread and gives what the promise resolves to.
template <class Work, class Convert>
Napi::Promise RunAsync(Napi::Env env, Work work, Convert convert) {
  auto* worker = new PromiseWorker<Work, Convert>(env, std::move(work), std::move(convert));
  Napi::Promise promise = worker->Promise();
  worker->Queue();
  return promise;
}

// On the pool where the call may sleep; else at once, on the calling thread, giving the value itself or throwing: a
// thread of the pool costs more than a short call does, and so does a promise.
template <class Work, class Convert>
Napi::Value RunEither(Napi::Env env, bool sleeps, Work work, Convert convert) {
  if (sleeps) return RunAsync(env, std::move(work), std::move(convert));
  return convert(env, work());
}

// The same for work that returns nothing.
template <class Work>
Napi::Value RunEitherVoid(Napi::Env env, bool sleeps, Work work) {
  auto with_result = [work = std::move(work)]() mutable {
    work();
    return true;
  };
  return RunEither(env, sleeps, std::move(with_result), [](Napi::Env env, bool) { return env.Undefined(); });
}

// On the pool, for work that returns nothing: the promise resolves to undefined.
template <class Work>
Napi::Value RunAsyncVoid(Napi::Env env, Work work) {
  return RunEitherVoid(env, true, std::move(work));
}

}  // namespace vfio_engine
