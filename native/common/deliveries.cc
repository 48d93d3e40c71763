#include "common/deliveries.h"

#include <utility>

#include "common/error.h"

namespace vfio_engine {

void DeliveryQueue::Push(std::unique_ptr<Delivery> delivery) {
  Delivery* pushed = delivery.get();
  (last_ == nullptr ? first_ : last_->next_) = std::move(delivery);
  last_ = pushed;
}

std::unique_ptr<Delivery> DeliveryQueue::Pop() {
  std::unique_ptr<Delivery> popped = std::move(first_);
  if (popped != nullptr) first_ = std::move(popped->next_);
  if (first_ == nullptr) last_ = nullptr;
  return popped;
}

void DeliveryQueue::Swap(DeliveryQueue& other) {
  first_.swap(other.first_);
  std::swap(last_, other.last_);
}

std::shared_ptr<Deliveries> Deliveries::Of(Napi::Env env) {
  std::shared_ptr<Deliveries>& made = env.GetInstanceData<AddonData>()->deliveries;
  if (made != nullptr) return made;
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) throw Napi::Error::New(env);
  std::shared_ptr<Deliveries> deliveries(new Deliveries());
  int status = uv_async_init(loop, &deliveries->async_, OnSignal);
  if (status < 0) throw SysError(-status, "uv_async_init");
  deliveries->async_.data = deliveries.get();
  uv_unref(reinterpret_cast<uv_handle_t*>(&deliveries->async_));
  deliveries->self_ = deliveries;
  deliveries->open_ = true;
  deliveries->env_ = env;
  deliveries->context_.emplace(env, "vfio-engine:call");
  // Async, because libuv releases the handle a turn of the loop after uv_close.
  napi_add_async_cleanup_hook(env, OnEnvironmentEnd, deliveries.get(), &deliveries->cleanup_hook_);
  made = deliveries;
  return made;
}

void Deliveries::Expect() {
  if (expected_++ == 0) uv_ref(reinterpret_cast<uv_handle_t*>(&async_));
}

void Deliveries::Deliver(std::unique_ptr<Delivery> delivery) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!open_) return;
  arrived_.Push(std::move(delivery));
  uv_async_send(&async_);
}

void Deliveries::OnSignal(uv_async_t* async) { static_cast<Deliveries*>(async->data)->SettleAll(); }

void Deliveries::SettleAll() {
  DeliveryQueue arrived;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    arrived.Swap(arrived_);
  }
  // What JavaScript does then may end the environment.
  std::shared_ptr<Deliveries> keep = self_;
  Napi::Env env(env_);
  Napi::HandleScope scope(env);
  while (std::unique_ptr<Delivery> delivery = arrived.Pop()) {
    if (!context_) return;
    if (--expected_ == 0) uv_unref(reinterpret_cast<uv_handle_t*>(&async_));
    // Its end runs what waits for the promise.
    Napi::CallbackScope callbacks(env, *context_);
    delivery->Settle(env);
  }
}

void Deliveries::OnEnvironmentEnd(napi_async_cleanup_hook_handle handle, void* deliveries) {
  auto* self = static_cast<Deliveries*>(deliveries);
  DeliveryQueue dropped;
  {
    std::lock_guard<std::mutex> lock(self->mutex_);
    self->open_ = false;
    dropped.Swap(self->arrived_);
  }
  self->context_.reset();
  uv_close(reinterpret_cast<uv_handle_t*>(&self->async_), OnClosed);
}

void Deliveries::OnClosed(uv_handle_t* handle) {
  auto* deliveries = static_cast<Deliveries*>(handle->data);
  napi_remove_async_cleanup_hook(deliveries->cleanup_hook_);
  deliveries->self_.reset();
}

}  // namespace vfio_engine
