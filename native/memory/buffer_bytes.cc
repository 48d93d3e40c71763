#include "memory/buffer_bytes.h"

#include "common/args.h"
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

BufferBytes ArgBufferBytes(const Napi::CallbackInfo& info, size_t index) {
  Napi::Value value = info[index];
  BufferBytes whole{};
  if (WholeBufferBytes(value, &whole.data, &whole.length)) return whole;
  if (value.IsTypedArray()) return TypedArrayBytes(info.Env(), value);
  if (!value.IsDataView()) ThrowArgType(info, index, "an ArrayBuffer, a SharedArrayBuffer or a view of one");
  auto view = value.As<Napi::DataView>();
  return {static_cast<uint8_t*>(view.Data()), view.ByteLength()};
}

}  // namespace vfio_engine
