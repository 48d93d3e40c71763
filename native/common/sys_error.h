// Failures of system calls on cold paths. Hot paths return a negative errno instead and throw nothing. Needs no
// Node-API: test/sanitize and test/fuzz link the code that includes only this without Node.js.
#pragma once

#include <cerrno>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

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

// Converts an error of the standard library. The addon meets one only when a thread cannot be created, most often
// because of a limit (EAGAIN).
inline SysError ThreadError(const std::system_error& error) { return SysError(error.code().value(), "pthread_create"); }

// Returns the result of a system call, or throws a SysError with its errno. Call it directly on the system call: any
// other call in between may change errno. Thread: any.
inline int Check(int result, const char* call) {
  if (result >= 0) return result;
  int error_number = errno;
  throw SysError(error_number, call);
}

}  // namespace vfio_engine
