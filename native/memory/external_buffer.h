// A SharedArrayBuffer over memory that is not V8's.
#pragma once

#include <cstddef>
#include <memory>

struct napi_env__;
struct napi_value__;

namespace vfio_engine {

// `release(owner)` runs once, when no thread holds the buffer any more, on any thread, without an environment. Returns
// null when the buffer could not be made; `release` has then been called. Thread: a JavaScript thread.
//
// `store` belongs to the memory: with V8's own interface (Node 20), all buffers over one memory share what it refers
// to. Node 20 breaks down when Atomics.notify on one buffer meets an Atomics.wait on another over the same memory; it
// takes them for old and new memory at one address. The caller keeps other threads off `store` meanwhile.
napi_value__* MakeExternalSharedBuffer(napi_env__* env, void* data, size_t length, void (*release)(void* owner),
                                       void* owner, std::weak_ptr<void>& store);

}  // namespace vfio_engine
