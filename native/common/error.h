// Turns failures of native code into exceptions of JavaScript, and holds the state of an environment.
#pragma once

#include <napi.h>

#include <memory>
#include <new>

#include "common/sys_error.h"
#include "common/unique_fd.h"

namespace vfio_engine {

class Deliveries;

// The state of one environment (a JavaScript thread). lib/native/addon.ts sets it once.
struct AddonData {
  // (errno: number, syscall: string) => VfioError
  Napi::FunctionReference error_factory;
  // An eventfd; see memory/revocable.h. The environment's mappings hold it, too: they may outlive it.
  std::shared_ptr<UniqueFd> revocation_signal;
  // Made with the first call that may sleep.
  std::shared_ptr<Deliveries> deliveries;
};

// The same facts without the class: what JavaScript reads before it has set the factory.
inline Napi::Error PlainError(Napi::Env env, const SysError& error) {
  Napi::Error plain = Napi::Error::New(env, error.what());
  plain.Set("errno", Napi::Number::New(env, error.error_number()));
  plain.Set("syscall", Napi::String::New(env, error.call()));
  return plain;
}

// Makes the VfioError of a SysError. Thread: a JavaScript thread.
inline Napi::Error ToJsError(Napi::Env env, const SysError& error) {
  auto* data = env.GetInstanceData<AddonData>();
  if (data == nullptr || data->error_factory.IsEmpty()) return PlainError(env, error);
  Napi::Value made =
      data->error_factory.Call({Napi::Number::New(env, error.error_number()), Napi::String::New(env, error.call())});
  return Napi::Error(env, made);
}

// Runs `body` and turns its SysError into a JavaScript exception. Thread: a JavaScript thread.
template <class Body>
auto Guard(Napi::Env env, Body body) -> decltype(body()) {
  try {
    return body();
  } catch (const SysError& error) {
    throw ToJsError(env, error);
  } catch (const std::system_error& error) {
    throw ToJsError(env, ThreadError(error));
  } catch (const std::bad_alloc&) {
    throw ToJsError(env, SysError(ENOMEM, "malloc"));
  }
}

// The body of a function that JavaScript calls: like Guard, and throws in JavaScript. No C++ exception may pass the
// frames of Node.js. Thread: a JavaScript thread.
template <class Body>
napi_value Called(napi_env env, Body body) {
  try {
    return Guard(env, body);
  } catch (const Napi::Error& error) {
    error.ThrowAsJavaScriptException();
    return nullptr;
  }
}

}  // namespace vfio_engine
