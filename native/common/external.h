// Objects of C++ that JavaScript holds by a handle of its own.
#pragma once

#include <napi.h>

#include <memory>

namespace vfio_engine {

// Hands an object to JavaScript, which destroys it with the last reference to the handle, or with the environment. If
// the handle cannot be made, the object is destroyed at once. Thread: a JavaScript thread.
template <class T>
Napi::External<T> MakeExternal(Napi::Env env, std::unique_ptr<T> object) {
  auto external = Napi::External<T>::New(env, object.get(), [](Napi::BasicEnv, T* owned) { delete owned; });
  static_cast<void>(object.release());
  return external;
}

}  // namespace vfio_engine
