// Runs work on libuv's thread pool and settles a promise with its result, so that a system call that sleeps never
// blocks the event loop.
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
  // A SysError arrives here too, as a result: it keeps its errno.
  void OnOK() override {
    Napi::Env env = Env();
    Napi::HandleScope scope(env);
    if (error_) return deferred_.Reject(ToJsError(env, *error_).Value());
    try {
      deferred_.Resolve(Guard(env, [&] { return convert_(env, std::move(*result_)); }));
    } catch (const Napi::Error& error) {
      // Without this the promise would never settle.
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

// Runs `work` on a pool thread. `work` must not touch JavaScript, may throw SysError and returns a value.
// `convert(env, result)` then runs on the JavaScript thread and returns the value that the promise resolves to.
// Thread: a JavaScript thread.
template <class Work, class Convert>
Napi::Promise RunAsync(Napi::Env env, Work work, Convert convert) {
  auto* worker = new PromiseWorker<Work, Convert>(env, std::move(work), std::move(convert));
  Napi::Promise promise = worker->Promise();
  worker->Queue();
  return promise;
}

// Like RunAsync if `sleeps`. Otherwise runs `work` at once on the calling thread and returns the value itself or
// throws: for a short call, a pool thread and a promise cost more than the call.
template <class Work, class Convert>
Napi::Value RunEither(Napi::Env env, bool sleeps, Work work, Convert convert) {
  if (sleeps) return RunAsync(env, std::move(work), std::move(convert));
  return convert(env, work());
}

// Like RunEither, for work that returns nothing.
template <class Work>
Napi::Value RunEitherVoid(Napi::Env env, bool sleeps, Work work) {
  auto with_result = [work = std::move(work)]() mutable {
    work();
    return true;
  };
  return RunEither(env, sleeps, std::move(with_result), [](Napi::Env env, bool) { return env.Undefined(); });
}

// Like RunAsync, for work that returns nothing: the promise resolves to undefined.
template <class Work>
Napi::Value RunAsyncVoid(Napi::Env env, Work work) {
  return RunEitherVoid(env, true, std::move(work));
}

}  // namespace vfio_engine
