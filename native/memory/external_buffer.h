// A SharedArrayBuffer over memory that is not V8's.
#pragma once

#include <cstddef>

struct napi_env__;
struct napi_value__;

namespace vfio_engine {

// `release(owner)` runs once, when no thread holds the buffer any more, on any thread, without an environment. Returns
// null when the buffer could not be made; `release` has then been called. Thread: a JavaScript thread.
napi_value__* MakeExternalSharedBuffer(napi_env__* env, void* data, size_t length, void (*release)(void* owner),
                                       void* owner);

}  // namespace vfio_engine
