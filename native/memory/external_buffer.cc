// In a file of its own, because it enables the experimental part of Node-API.
#define NAPI_EXPERIMENTAL
#define NODE_API_EXPERIMENTAL_NO_WARNING
#include <node_api.h>

#include <new>

#include "memory/external_buffer.h"

namespace {

struct Release {
  void (*function)(void*);
  void* owner;
};

// Throws bad_alloc after it has released the owner.
Release* MakeRelease(void (*function)(void*), void* owner) {
  try {
    return new Release{function, owner};
  } catch (const std::bad_alloc&) {
    function(owner);
    throw;
  }
}

}  // namespace

#ifdef NODE_API_EXPERIMENTAL_HAS_CREATE_EXTERNAL_SHAREDARRAYBUFFER

namespace vfio_engine {
namespace {

void OnRelease(void* data, void* hint) {
  auto* release = static_cast<Release*>(hint);
  release->function(release->owner);
  delete release;
}

}  // namespace

napi_value MakeExternalSharedBuffer(napi_env env, void* data, size_t length, void (*function)(void*), void* owner,
                                    std::weak_ptr<void>& store) {
  auto* release = MakeRelease(function, owner);
  napi_value result = nullptr;
  if (node_api_create_external_sharedarraybuffer(env, data, length, OnRelease, release, &result) == napi_ok) {
    return result;
  }
  OnRelease(data, release);
  return nullptr;
}

}  // namespace vfio_engine

#else  // Node 20 and early 22 and 24: V8's own interface, of the Node.js that the addon is built for.

// node.h defines NAPI_VERSION again.
#undef NAPI_VERSION
#include <node.h>

#include <cstring>

namespace vfio_engine {
namespace {

void OnRelease(void* data, size_t length, void* deleter_data) {
  auto* release = static_cast<Release*>(deleter_data);
  release->function(release->owner);
  delete release;
}

}  // namespace

napi_value MakeExternalSharedBuffer(napi_env env, void* data, size_t length, void (*function)(void*), void* owner,
                                    std::weak_ptr<void>& store) {
  auto backing = std::static_pointer_cast<v8::BackingStore>(store.lock());
  if (backing != nullptr) {
    function(owner);
  } else {
    auto* release = MakeRelease(function, owner);
    backing = v8::SharedArrayBuffer::NewBackingStore(data, length, OnRelease, release);
    store = backing;
  }
  v8::Local<v8::Value> buffer = v8::SharedArrayBuffer::New(v8::Isolate::GetCurrent(), std::move(backing));
  // A napi_value is a v8::Local under another name.
  static_assert(sizeof(napi_value) == sizeof(buffer), "napi_value holds a local handle");
  napi_value result = nullptr;
  std::memcpy(&result, static_cast<void*>(&buffer), sizeof(result));
  return result;
}

}  // namespace vfio_engine

#endif
