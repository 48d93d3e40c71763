#include "memory/buffer_hold.h"

// Node-API can hold the object only, so this uses V8, whose headers belong to the Node.js that the addon is built for.
// node.h defines NAPI_VERSION again.
#undef NAPI_VERSION
#include <node.h>

#include <cstring>

namespace vfio_engine {

namespace {

v8::Local<v8::Value> ToLocal(napi_value__* buffer) {
  v8::Local<v8::Value> value;
  // A napi_value is a v8::Local under another name.
  static_assert(sizeof(buffer) == sizeof(value), "napi_value holds a local handle");
  std::memcpy(static_cast<void*>(&value), &buffer, sizeof(value));
  return value;
}

template <typename Buffer>
bool BytesOf(v8::Local<v8::Value> value, uint8_t** data, size_t* length) {
  v8::Local<Buffer> buffer = value.As<Buffer>();
  *data = static_cast<uint8_t*>(buffer->Data());
  *length = buffer->ByteLength();
  return true;
}

}  // namespace

bool IsDetachable(napi_value__* buffer) {
  v8::Local<v8::Value> value = ToLocal(buffer);
  return value->IsArrayBuffer() && value.As<v8::ArrayBuffer>()->IsDetachable();
}

bool WholeBufferBytes(napi_value__* buffer, uint8_t** data, size_t* length) {
  v8::Local<v8::Value> value = ToLocal(buffer);
  if (value->IsArrayBuffer()) return BytesOf<v8::ArrayBuffer>(value, data, length);
  if (value->IsSharedArrayBuffer()) return BytesOf<v8::SharedArrayBuffer>(value, data, length);
  return false;
}

std::shared_ptr<void> HoldBytes(napi_value__* buffer) {
  v8::Local<v8::Value> value = ToLocal(buffer);
  if (value->IsArrayBuffer()) return value.As<v8::ArrayBuffer>()->GetBackingStore();
  if (value->IsSharedArrayBuffer()) return value.As<v8::SharedArrayBuffer>()->GetBackingStore();
  return nullptr;
}

}  // namespace vfio_engine
