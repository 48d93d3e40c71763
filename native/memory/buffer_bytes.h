// The bytes under any kind of buffer that JavaScript has.
#pragma once

#include <napi.h>

namespace vfio_engine {

struct BufferBytes {
  uint8_t* data;
  size_t length;
};

// `value` is an ArrayBuffer, a SharedArrayBuffer, or a view of one. The bytes are the caller's: they stay where they
// are while the value lives and is not detached. Throws a TypeError for anything else. Thread: a JavaScript thread.
BufferBytes GetBufferBytes(Napi::Env env, Napi::Value value);

}  // namespace vfio_engine
