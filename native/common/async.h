// Runs work on a thread of ours and settles a promise with its result, so that a system call that sleeps blocks neither
// the event loop nor libuv's threads.
#pragma once

#include <optional>
#include <utility>

#include "common/call_threads.h"
#include "common/deliveries.h"
#include "common/error.h"

namespace vfio_engine {

template <class Work, class Convert>
class PromisedCall final : public Delivery {
  using Result = decltype(std::declval<Work>()());

 public:
  PromisedCall(Napi::Promise::Deferred deferred, Work work, Convert convert)
      : deferred_(deferred), work_(std::move(work)), convert_(std::move(convert)) {}

  // Drops the work, and with it what the work holds, before the promise settles. Thread: the one that makes the call.
  void Make() {
    try {
      result_.emplace((*work_)());
    } catch (const SysError& error) {
      error_.emplace(error);
    } catch (const std::system_error& error) {
      error_.emplace(ThreadError(error));
    } catch (const std::bad_alloc&) {
      error_.emplace(ENOMEM, "malloc");
    }
    work_.reset();
  }

  void Settle(Napi::Env env) override {
    Napi::HandleScope scope(env);
    try {
      if (error_) return deferred_.Reject(ToJsError(env, *error_).Value());
      deferred_.Resolve(Guard(env, [&] { return convert_(env, std::move(*result_)); }));
    } catch (const Napi::Error& error) {
      // Without this the promise would never settle.
      deferred_.Reject(error.Value());
    }
  }

 private:
  Napi::Promise::Deferred deferred_;
  std::optional<Work> work_;
  Convert convert_;
  std::optional<Result> result_;
  std::optional<SysError> error_;
};

// Hands a call to a thread of ours. If it throws, the call is not made. Thread: a JavaScript thread.
template <class Work, class Convert>
void StartCall(Napi::Env env, Napi::Promise::Deferred deferred, Work work, Convert convert) {
  std::shared_ptr<Deliveries> deliveries = Deliveries::Of(env);
  auto owned = std::make_unique<PromisedCall<Work, Convert>>(deferred, std::move(work), std::move(convert));
  CallThreads::Get().Run([call = owned.get(), deliveries] {
    call->Make();
    deliveries->Deliver(std::unique_ptr<Delivery>(call));
  });
  static_cast<void>(owned.release());
  deliveries->Expect();
}

// Runs `work` on a thread of ours. `work` must not touch JavaScript, may throw SysError and returns a value.
// `convert(env, result)` then runs on the JavaScript thread and returns the value that the promise resolves to. Neither
// may hold a reference of Node-API: the environment may end first. Thread: a JavaScript thread.
template <class Work, class Convert>
Napi::Promise RunAsync(Napi::Env env, Work work, Convert convert) {
  auto deferred = Napi::Promise::Deferred::New(env);
  try {
    Guard(env, [&] { StartCall(env, deferred, std::move(work), std::move(convert)); });
  } catch (const Napi::Error& error) {
    deferred.Reject(error.Value());
  }
  return deferred.Promise();
}

// Like RunAsync if `sleeps`. Otherwise runs `work` at once on the calling thread and returns the value itself or
// throws: for a short call, a call thread and a promise cost more than the call.
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

// Like RunAsyncVoid, for work that closes something and can be copied. If neither memory nor a thread can be had, it
// runs on the calling thread: a close that blocks is better than one that is not made.
template <class Work>
Napi::Promise RunClosing(Napi::Env env, const Work& work) {
  auto deferred = Napi::Promise::Deferred::New(env);
  auto work_here = [&] {
    work();
    deferred.Resolve(env.Undefined());
  };
  auto with_result = [work] {
    work();
    return true;
  };
  try {
    Guard(env, [&] {
      try {
        StartCall(env, deferred, std::move(with_result), [](Napi::Env env, bool) { return env.Undefined(); });
      } catch (const SysError&) {
        work_here();
      } catch (const std::bad_alloc&) {
        work_here();
      }
    });
  } catch (const Napi::Error& error) {
    deferred.Reject(error.Value());
  }
  return deferred.Promise();
}

// Like RunAsync, for work that returns nothing: the promise resolves to undefined.
template <class Work>
Napi::Value RunAsyncVoid(Napi::Env env, Work work) {
  return RunEitherVoid(env, true, std::move(work));
}

}  // namespace vfio_engine
