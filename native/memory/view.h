// SharedArrayBuffers over a mapping and over its revocation state.
#pragma once

#include "common/error.h"
#include "memory/external_buffer.h"
#include "memory/mapping.h"

namespace vfio_engine {

// Returns a buffer that keeps the mapping alive; the last buffer drops it, on any thread. Thread: a JavaScript thread.
inline Napi::Value ViewOf(Napi::Env env, const std::shared_ptr<Mapping>& mapping) {
  auto* holder = new std::shared_ptr<Mapping>(mapping);
  auto release = [](void* owner) { delete static_cast<std::shared_ptr<Mapping>*>(owner); };
  std::lock_guard<std::mutex> lock(mapping->view_mutex);
  napi_value view =
      MakeExternalSharedBuffer(env, mapping->data(), mapping->length(), release, holder, mapping->view_store);
  if (view == nullptr) throw Napi::Error::New(env);
  return Napi::Value(env, view);
}

// Returns a buffer over the state, which it keeps alive. Thread: a JavaScript thread.
inline Napi::Value StateOf(Napi::Env env, const std::shared_ptr<RevocationState>& state) {
  auto* holder = new std::shared_ptr<RevocationState>(state);
  auto release = [](void* owner) { delete static_cast<std::shared_ptr<RevocationState>*>(owner); };
  std::lock_guard<std::mutex> lock(state->view_mutex);
  napi_value view =
      MakeExternalSharedBuffer(env, state.get(), RevocationState::kSharedSize, release, holder, state->view_store);
  if (view == nullptr) throw Napi::Error::New(env);
  return Napi::Value(env, view);
}

}  // namespace vfio_engine
