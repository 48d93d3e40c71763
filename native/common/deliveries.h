// Brings the ends of calls from their threads to the event loop of the JavaScript thread that made them.
#pragma once

#include <napi.h>
#include <uv.h>

#include <memory>
#include <mutex>
#include <optional>

namespace vfio_engine {

// A call that has ended on another thread. It is destroyed on the JavaScript thread, or, once the environment is gone,
// on the thread that made the call: it may hold no reference of Node-API.
class Delivery {
 public:
  virtual ~Delivery() = default;
  // Settles the promise. Thread: the JavaScript thread.
  virtual void Settle(Napi::Env env) = 0;

 private:
  friend class DeliveryQueue;
  std::unique_ptr<Delivery> next_;
};

// Deliveries in the order in which they came. Linked, because a call that has ended must not need memory. Not
// synchronized: its owner has a lock.
class DeliveryQueue {
 public:
  ~DeliveryQueue() {
    // One by one: the first would destroy the others by recursion.
    while (Pop() != nullptr) continue;
  }
  void Push(std::unique_ptr<Delivery> delivery);
  // Returns null if it is empty.
  std::unique_ptr<Delivery> Pop();
  void Swap(DeliveryQueue& other);

 private:
  std::unique_ptr<Delivery> first_;
  Delivery* last_ = nullptr;
};

class Deliveries {
 public:
  // The environment's, made with the first. Throws SysError. Thread: a JavaScript thread.
  static std::shared_ptr<Deliveries> Of(Napi::Env env);

  // Keeps the event loop alive until one more delivery has come. Thread: the JavaScript thread.
  void Expect();
  // Thread: any.
  void Deliver(std::unique_ptr<Delivery> delivery);

 private:
  Deliveries() = default;
  static void OnSignal(uv_async_t* async);
  static void OnEnvironmentEnd(napi_async_cleanup_hook_handle handle, void* deliveries);
  static void OnClosed(uv_handle_t* handle);
  void SettleAll();

  // Guards the two below: uv_async_send on a closed handle is not allowed.
  std::mutex mutex_;
  bool open_ = false;
  DeliveryQueue arrived_;

  size_t expected_ = 0;
  uv_async_t async_{};
  napi_env env_ = nullptr;
  std::optional<Napi::AsyncContext> context_;
  napi_async_cleanup_hook_handle cleanup_hook_ = nullptr;
  // Held while libuv knows async_.
  std::shared_ptr<Deliveries> self_;
};

}  // namespace vfio_engine
