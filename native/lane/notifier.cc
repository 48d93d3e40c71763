#include "lane/notifier.h"

#include "common/error.h"

namespace vfio_engine {

std::shared_ptr<Notifier> Notifier::Start(Napi::Env env, Napi::Function callback) {
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) throw Napi::Error::New(env);
  std::shared_ptr<Notifier> notifier(new Notifier());
  int status = uv_async_init(loop, &notifier->async_, OnSignal);
  if (status < 0) throw SysError(-status, "uv_async_init");
  notifier->async_.data = notifier.get();
  notifier->self_ = notifier;
  notifier->open_ = true;
  // An async hook: libuv releases the handle one turn of the loop after uv_close.
  napi_add_async_cleanup_hook(env, OnEnvironmentEnd, notifier.get(), &notifier->cleanup_hook_);
  notifier->callback_ = Napi::Persistent(callback);
  notifier->context_.emplace(env, "vfio-engine:lane");
  uv_unref(reinterpret_cast<uv_handle_t*>(&notifier->async_));
  return notifier;
}

void Notifier::Signal() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (open_) uv_async_send(&async_);
}

void Notifier::SetRef(bool ref) {
  if (self_ == nullptr) return;
  auto* handle = reinterpret_cast<uv_handle_t*>(&async_);
  ref ? uv_ref(handle) : uv_unref(handle);
}

void Notifier::Close() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!open_) return;
    open_ = false;
  }
  callback_.Reset();
  context_.reset();
  uv_close(reinterpret_cast<uv_handle_t*>(&async_), OnClosed);
}

void Notifier::OnSignal(uv_async_t* async) {
  auto* notifier = static_cast<Notifier*>(async->data);
  if (notifier->callback_.IsEmpty()) return;
  // Keeps the notifier alive if the callback closes it.
  std::shared_ptr<Notifier> keep = notifier->self_;
  Napi::Env env = notifier->callback_.Env();
  Napi::HandleScope scope(env);
  try {
    notifier->callback_.MakeCallback(env.Global(), {}, *notifier->context_);
  } catch (const Napi::Error& error) {
    napi_fatal_exception(env, error.Value());
  }
}

void Notifier::OnEnvironmentEnd(napi_async_cleanup_hook_handle handle, void* notifier) {
  static_cast<Notifier*>(notifier)->Close();
}

void Notifier::OnClosed(uv_handle_t* handle) {
  auto* notifier = static_cast<Notifier*>(handle->data);
  napi_remove_async_cleanup_hook(notifier->cleanup_hook_);
  notifier->self_.reset();
}

}  // namespace vfio_engine
