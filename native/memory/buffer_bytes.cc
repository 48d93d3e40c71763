#include "memory/buffer_bytes.h"

#include "memory/buffer_hold.h"

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

}  // namespace

BufferBytes GetBufferBytes(Napi::Env env, Napi::Value value) {
  BufferBytes whole{};
  if (WholeBufferBytes(value, &whole.data, &whole.length)) return whole;
  if (value.IsTypedArray()) return TypedArrayBytes(env, value);
  if (value.IsDataView()) {
    auto view = value.As<Napi::DataView>();
    return {static_cast<uint8_t*>(view.Data()), view.ByteLength()};
  }
  auto error = Napi::TypeError::New(env, "the value is no buffer and no view of one");
  error.Set("code", Napi::String::New(env, "ERR_INVALID_ARGUMENT"));
  throw error;
}

}  // namespace vfio_engine
