// What Node-API does not tell of a buffer, and what keeps its bytes where they are, whatever becomes of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

struct napi_value__;

namespace vfio_engine {

// Whether an ArrayBuffer can be transferred; that of a WebAssembly memory cannot. Thread: its JavaScript thread.
bool IsDetachable(napi_value__* buffer);

// Finds the bytes of an ArrayBuffer or a SharedArrayBuffer, of any length; false for anything else. Thread: a
// JavaScript thread.
bool WholeBufferBytes(napi_value__* buffer, uint8_t** data, size_t* length);

// Takes a hold on the bytes of an ArrayBuffer or a SharedArrayBuffer; null for anything else. A buffer that is
// transferred, or belongs to a WebAssembly memory that grows, is emptied and its bytes may be freed: not before the
// last hold is dropped, on any thread. Thread: a JavaScript thread.
std::shared_ptr<void> HoldBytes(napi_value__* buffer);

}  // namespace vfio_engine
