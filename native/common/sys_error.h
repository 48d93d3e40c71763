// Failures of system calls on cold paths. Hot paths return a negative errno instead and throw nothing. Needs no
// Node-API: test/sanitize and test/fuzz link the code that includes only this without Node.js.
#pragma once

#include <cerrno>
#include <cstdio>
#include <exception>
#include <system_error>

namespace vfio_engine {

// A failed system call. Code on any thread may throw it: it does not touch JavaScript, and it allocates nothing,
// because it also tells that memory has run out.
class SysError : public std::exception {
 public:
  SysError(int error_number, const char* call) : SysError(error_number, "", call, "") {}
  // Its call is `ioctl(NAME)`.
  static SysError OfIoctl(int error_number, const char* name) { return SysError(error_number, "ioctl(", name, ")"); }
  int error_number() const { return error_number_; }
  const char* call() const { return call_; }
  const char* what() const noexcept override { return call_; }

 private:
  SysError(int error_number, const char* before, const char* name, const char* after) : error_number_(error_number) {
    std::snprintf(call_, sizeof(call_), "%s%s%s", before, name, after);
  }

  int error_number_;
  // Longer than the names of all calls.
  char call_[80];
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
