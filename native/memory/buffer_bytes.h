// The bytes of any kind of JavaScript buffer.
#pragma once

#include <napi.h>

namespace vfio_engine {

struct BufferBytes {
  uint8_t* data;
  size_t length;
};

// Returns the bytes of an argument that is an ArrayBuffer, a SharedArrayBuffer or a view of one. The bytes are the
// caller's: they stay where they are while the value lives and is not detached. Throws a TypeError for anything else.
// Thread: a JavaScript thread.
BufferBytes ArgBufferBytes(const Napi::CallbackInfo& info, size_t index);

}  // namespace vfio_engine
