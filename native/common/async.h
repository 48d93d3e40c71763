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

  // Thread: the one that makes the call.
  void Make() {
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
  Work work_;
  Convert convert_;
  std::optional<Result> result_;
  std::optional<SysError> error_;
};

// Runs `work` on a thread of ours. `work` must not touch JavaScript, may throw SysError and returns a value.
// `convert(env, result)` then runs on the JavaScript thread and returns the value that the promise resolves to. Neither
// may hold a reference of Node-API: the environment may end first. Thread: a JavaScript thread.
template <class Work, class Convert>
Napi::Promise RunAsync(Napi::Env env, Work work, Convert convert) {
  auto deferred = Napi::Promise::Deferred::New(env);
  std::shared_ptr<Deliveries> deliveries = Deliveries::Of(env);
  auto* call = new PromisedCall<Work, Convert>(deferred, std::move(work), std::move(convert));
  try {
    CallThreads::Get().Run([call, deliveries] {
      call->Make();
      deliveries->Deliver(std::unique_ptr<Delivery>(call));
    });
    deliveries->Expect();
  } catch (const SysError& error) {
    delete call;
    deferred.Reject(ToJsError(env, error).Value());
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

// Like RunAsync, for work that returns nothing: the promise resolves to undefined.
template <class Work>
Napi::Value RunAsyncVoid(Napi::Env env, Work work) {
  return RunEitherVoid(env, true, std::move(work));
}

}  // namespace vfio_engine
