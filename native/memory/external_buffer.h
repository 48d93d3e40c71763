// A SharedArrayBuffer over memory that V8 did not allocate.
#pragma once

#include <cstddef>
#include <memory>

struct napi_env__;
struct napi_value__;

namespace vfio_engine {

// Makes a buffer over [data, data + length). `release(owner)` runs once, on any thread and without an environment, when
// no thread holds the buffer any more. Returns null, or throws bad_alloc, if the buffer cannot be made; `release` has
// then run. Thread: a JavaScript thread.
//
// `store` belongs to the memory. With V8's own interface (Node 20) all buffers over one memory share the backing store
// that it refers to: Node 20 aborts if Atomics.notify on one backing store meets an Atomics.wait on another at the same
// address. No other thread may use `store` during the call.
napi_value__* MakeExternalSharedBuffer(napi_env__* env, void* data, size_t length, void (*release)(void* owner),
                                       void* owner, std::weak_ptr<void>& store);

}  // namespace vfio_engine
