// Calls a JavaScript function with each count that arrives in an eventfd, from the event loop of the thread that
// started it.
#pragma once

#include <napi.h>
#include <uv.h>

#include <memory>
#include <optional>

#include "common/unique_fd.h"

namespace vfio_engine {

// Thread: the JavaScript thread that started it, for all members.
class Watcher {
 public:
  // Watches a duplicate of `fd`; `fd` stays the caller's. The event loop holds the watcher until Close or the end of
  // the environment. Throws SysError.
  static std::shared_ptr<Watcher> Start(Napi::Env env, int fd, Napi::Function callback);
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  // Sets whether the watcher keeps the event loop alive.
  void SetRef(bool ref);
  // No callback follows. A second call does nothing.
  void Close();

 private:
  explicit Watcher(UniqueFd fd) : fd_(std::move(fd)) {}
  static void OnReadable(uv_poll_t* poll, int status, int events);
  static void OnEnvironmentEnd(napi_async_cleanup_hook_handle handle, void* watcher);
  static void OnClosed(uv_handle_t* handle);
  void Deliver(uint64_t count);

  UniqueFd fd_;
  uv_poll_t poll_ = {};
  // Reset by Close: they must not outlive the environment.
  std::optional<Napi::AsyncContext> context_;
  Napi::FunctionReference callback_;
  napi_async_cleanup_hook_handle cleanup_hook_ = nullptr;
  // Held while libuv knows poll_.
  std::shared_ptr<Watcher> self_;
};

}  // namespace vfio_engine
