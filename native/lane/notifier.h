// Tells a JavaScript thread's event loop that operations were completed. Several signals can become one callback.
#pragma once

#include <napi.h>
#include <uv.h>

#include <memory>
#include <mutex>
#include <optional>

#include "lane/completion_signal.h"

namespace vfio_engine {

class Notifier final : public CompletionSignal {
 public:
  // Makes a notifier that calls `callback` from the event loop of the calling thread. It does not keep the loop alive.
  // The loop holds the notifier until Close or the end of the environment. Throws SysError. Thread: a JavaScript
  // thread.
  static std::shared_ptr<Notifier> Start(Napi::Env env, Napi::Function callback);
  // Asks for a callback. Does nothing once closed. Thread: any.
  void Signal() override;
  // No callback follows. A second call does nothing. Thread: the one that started it.
  void Close();
  // Sets whether the notifier keeps the event loop alive. Thread: the one that started it.
  void SetRef(bool ref);

 private:
  Notifier() = default;
  static void OnSignal(uv_async_t* async);
  static void OnClosed(uv_handle_t* handle);
  static void OnEnvironmentEnd(napi_async_cleanup_hook_handle handle, void* notifier);

  // Guards `open_`, because uv_async_send must not be called on a closed handle.
  std::mutex mutex_;
  bool open_ = false;
  uv_async_t async_{};
  Napi::FunctionReference callback_;
  std::optional<Napi::AsyncContext> context_;
  napi_async_cleanup_hook_handle cleanup_hook_ = nullptr;
  std::shared_ptr<Notifier> self_;
};

}  // namespace vfio_engine
