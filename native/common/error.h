// Failures of system calls on cold paths. Hot paths return a negative errno instead and throw nothing.
#pragma once

#include <napi.h>

#include <cerrno>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>

#include "common/unique_fd.h"

namespace vfio_engine {

// A failed system call. Code on any thread may throw it: it does not touch JavaScript.
class SysError : public std::runtime_error {
 public:
  SysError(int error_number, std::string call)
      : std::runtime_error(call), error_number_(error_number), call_(std::move(call)) {}
  int error_number() const { return error_number_; }
  const std::string& call() const { return call_; }

 private:
  int error_number_;
  std::string call_;
};

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

// Makes the VfioError of a SysError. Thread: a JavaScript thread.
inline Napi::Error ToJsError(Napi::Env env, const SysError& error) {
  auto* data = env.GetInstanceData<AddonData>();
  if (data == nullptr || data->error_factory.IsEmpty()) return Napi::Error::New(env, error.what());
  Napi::Value made =
      data->error_factory.Call({Napi::Number::New(env, error.error_number()), Napi::String::New(env, error.call())});
  return Napi::Error(env, made);
}

// Converts an error of the standard library. The addon meets one only when a thread cannot be created, most often
// because of a limit (EAGAIN).
inline SysError ThreadError(const std::system_error& error) { return SysError(error.code().value(), "pthread_create"); }

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

// Returns the result of a system call, or throws a SysError with its errno. Call it directly on the system call: any
// other call in between may change errno. Thread: any.
inline int Check(int result, const char* call) {
  if (result >= 0) return result;
  int error_number = errno;
  throw SysError(error_number, call);
}

}  // namespace vfio_engine
