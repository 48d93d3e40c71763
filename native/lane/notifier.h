// Tells a JavaScript thread's event loop that operations were completed: one call back for any number of signals.
#pragma once

#include <napi.h>
#include <uv.h>

#include <memory>
#include <mutex>
#include <optional>

namespace vfio_engine {

class Notifier {
 public:
  // Thread: the JavaScript thread whose loop is to be told.
  static std::shared_ptr<Notifier> Start(Napi::Env env, Napi::Function callback);
  // Thread: any.
  void Signal();
  // No call back follows. Closing twice does nothing. Thread: the one that started it.
  void Close();
  // Whether the loop stays alive for it. Thread: the one that started it.
  void SetRef(bool ref);

 private:
  Notifier() = default;
  static void OnSignal(uv_async_t* async);
  static void OnClosed(uv_handle_t* handle);
  static void OnEnvironmentEnd(napi_async_cleanup_hook_handle handle, void* notifier);

  // Guards `open_`: uv_async_send on a closed handle is not allowed.
  std::mutex mutex_;
  bool open_ = false;
  uv_async_t async_{};
  Napi::FunctionReference callback_;
  std::optional<Napi::AsyncContext> context_;
  napi_async_cleanup_hook_handle cleanup_hook_ = nullptr;
  std::shared_ptr<Notifier> self_;
};

}  // namespace vfio_engine
