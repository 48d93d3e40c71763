#include "memory/buffer_bytes.h"

namespace vfio_engine {
namespace {

BufferBytes TypedArrayBytes(Napi::Env env, Napi::Value value) {
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  napi_status status = napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr);
  if (status != napi_ok) throw Napi::Error::New(env);
  return {static_cast<uint8_t*>(data), value.As<Napi::TypedArray>().ByteLength()};
}

bool IsSharedBuffer(Napi::Env env, Napi::Value value) {
  return value.IsObject() &&
         value.As<Napi::Object>().InstanceOf(env.Global().Get("SharedArrayBuffer").As<Napi::Function>());
}

}  // namespace

BufferBytes GetBufferBytes(Napi::Env env, Napi::Value value) {
  if (value.IsTypedArray()) return TypedArrayBytes(env, value);
  if (value.IsDataView()) {
    auto view = value.As<Napi::DataView>();
    return {static_cast<uint8_t*>(view.Data()), view.ByteLength()};
  }
  if (value.IsArrayBuffer() || IsSharedBuffer(env, value)) {
    // Node-API of Node 20 tells nothing about a SharedArrayBuffer, but all about a view of one.
    Napi::Value view = env.Global().Get("Uint8Array").As<Napi::Function>().New({value});
    return TypedArrayBytes(env, view);
  }
  auto error = Napi::TypeError::New(env, "the value is no buffer and no view of one");
  error.Set("code", Napi::String::New(env, "ERR_INVALID_ARGUMENT"));
  throw error;
}

}  // namespace vfio_engine
