#include "event/watcher.h"

#include <fcntl.h>

#include "common/error.h"
#include "event/eventfd.h"

namespace vfio_engine {

std::shared_ptr<Watcher> Watcher::Start(Napi::Env env, int fd, Napi::Function callback) {
  RequireEventfd(fd, "uv_poll_init");
  // A duplicate, because the caller may close its own at any time and several watchers may watch one eventfd.
  UniqueFd own(Check(fcntl(fd, F_DUPFD_CLOEXEC, 0), "fcntl(F_DUPFD_CLOEXEC)"));
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) throw Napi::Error::New(env);
  std::shared_ptr<Watcher> watcher(new Watcher(std::move(own)));
  int status = uv_poll_init(loop, &watcher->poll_, watcher->fd_.get());
  if (status < 0) throw SysError(-status, "uv_poll_init");
  watcher->poll_.data = watcher.get();
  watcher->self_ = watcher;
  // An async hook: libuv releases the descriptor one turn of the loop after uv_close.
  napi_add_async_cleanup_hook(env, OnEnvironmentEnd, watcher.get(), &watcher->cleanup_hook_);
  watcher->callback_ = Napi::Persistent(callback);
  watcher->context_.emplace(env, "vfio-engine:watcher");
  status = uv_poll_start(&watcher->poll_, UV_READABLE, OnReadable);
  if (status < 0) {
    watcher->Close();
    throw SysError(-status, "uv_poll_start");
  }
  return watcher;
}

void Watcher::SetRef(bool ref) {
  if (self_ == nullptr) return;
  auto* handle = reinterpret_cast<uv_handle_t*>(&poll_);
  ref ? uv_ref(handle) : uv_unref(handle);
}

void Watcher::Close() {
  auto* handle = reinterpret_cast<uv_handle_t*>(&poll_);
  if (self_ == nullptr || uv_is_closing(handle)) return;
  callback_.Reset();
  context_.reset();
  uv_close(handle, OnClosed);
}

void Watcher::OnReadable(uv_poll_t* poll, int status, int events) {
  auto* watcher = static_cast<Watcher*>(poll->data);
  try {
    if (status < 0) throw SysError(-status, "uv_poll_start");
    uint64_t count = EventfdTake(watcher->fd_.get());
    if (count != 0) watcher->Deliver(count);
  } catch (const SysError& error) {
    // The eventfd cannot be read any more. Without the stop the loop would spin.
    uv_poll_stop(poll);
    Napi::Env env = watcher->callback_.Env();
    Napi::HandleScope scope(env);
    napi_fatal_exception(env, ToJsError(env, error).Value());
  }
}

void Watcher::Deliver(uint64_t count) {
  // Keeps the watcher alive if the callback closes it.
  std::shared_ptr<Watcher> keep = self_;
  Napi::Env env = callback_.Env();
  Napi::HandleScope scope(env);
  try {
    callback_.MakeCallback(env.Global(), {Napi::Number::New(env, static_cast<double>(count))}, *context_);
  } catch (const Napi::Error& error) {
    napi_fatal_exception(env, error.Value());
  }
}

void Watcher::OnEnvironmentEnd(napi_async_cleanup_hook_handle handle, void* watcher) {
  static_cast<Watcher*>(watcher)->Close();
}

void Watcher::OnClosed(uv_handle_t* handle) {
  auto* watcher = static_cast<Watcher*>(handle->data);
  napi_remove_async_cleanup_hook(watcher->cleanup_hook_);
  // Closed now and not when JavaScript's handle is collected.
  watcher->fd_.Reset();
  watcher->self_.reset();
}

}  // namespace vfio_engine
