// Facts about a buffer that Node-API does not offer, and a hold that keeps its bytes in place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

struct napi_value__;

namespace vfio_engine {

// Tells whether an ArrayBuffer can be transferred. That of a WebAssembly memory cannot. Thread: its JavaScript thread.
bool IsDetachable(napi_value__* buffer);

// Finds the bytes of an ArrayBuffer or a SharedArrayBuffer of any length. Returns false for any other value. Thread: a
// JavaScript thread.
bool WholeBufferBytes(napi_value__* buffer, uint8_t** data, size_t* length);

// Takes a hold on the bytes of an ArrayBuffer or a SharedArrayBuffer. Returns null for any other value. If the buffer
// is transferred, or belongs to a WebAssembly memory that grows, its bytes are freed only when the last hold is
// dropped. A hold may be dropped on any thread. Thread: a JavaScript thread.
std::shared_ptr<void> HoldBytes(napi_value__* buffer);

}  // namespace vfio_engine
