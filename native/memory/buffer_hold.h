// Keeps a buffer's bytes where they are, whatever becomes of the buffer.
#pragma once

#include <memory>

struct napi_value__;

namespace vfio_engine {

// Whether an ArrayBuffer can be transferred; that of a WebAssembly memory cannot. Thread: its JavaScript thread.
bool IsDetachable(napi_value__* buffer);

// Takes a hold on the bytes of an ArrayBuffer or a SharedArrayBuffer; null for anything else. A buffer that is transferred,
// or belongs to a WebAssembly memory that grows, is emptied and its bytes may be freed: not before the last hold is
// dropped, on any thread. Thread: a JavaScript thread.
std::shared_ptr<void> HoldBytes(napi_value__* buffer);

}  // namespace vfio_engine
