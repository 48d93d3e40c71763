// A mapping as JavaScript sees it.
#pragma once

#include "common/error.h"
#include "memory/external_buffer.h"
#include "memory/mapping.h"

namespace vfio_engine {

// The buffer holds the mapping; the last of its holders drops it, on whichever thread.
inline Napi::Value ViewOf(Napi::Env env, const std::shared_ptr<Mapping>& mapping) {
  auto* holder = new std::shared_ptr<Mapping>(mapping);
  auto release = [](void* owner) { delete static_cast<std::shared_ptr<Mapping>*>(owner); };
  std::lock_guard<std::mutex> lock(mapping->view_mutex);
  napi_value view =
      MakeExternalSharedBuffer(env, mapping->data(), mapping->length(), release, holder, mapping->view_store);
  if (view == nullptr) throw Napi::Error::New(env);
  return Napi::Value(env, view);
}

// The state as a SharedArrayBuffer, which holds it.
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
