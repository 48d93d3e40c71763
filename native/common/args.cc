#include "common/args.h"

namespace vfio_engine {
namespace {

// Shows a wrong argument in an error message: a primitive as JavaScript writes it, anything else by its type.
std::string Show(Napi::Value value) {
  switch (value.Type()) {
    case napi_string: {
      constexpr size_t kMostShown = 64;
      std::string text = value.As<Napi::String>().Utf8Value();
      return text.size() > kMostShown ? "a string of " + std::to_string(text.size()) + " bytes" : "'" + text + "'";
    }
    case napi_bigint:
      return value.ToString().Utf8Value() + "n";
    case napi_symbol:
      return "a symbol";
    case napi_function:
      return "a function";
    case napi_object:
      return value.IsArray() ? "an array" : "an object";
    case napi_external:
      return "a handle of another kind";
    default:
      return value.ToString().Utf8Value();
  }
}

std::string Message(const Napi::CallbackInfo& info, size_t index, const std::string& expected) {
  const auto* name = static_cast<const char*>(info.Data());
  return std::string(name) + ": argument " + std::to_string(index) + " must be " + expected + ". Received " +
         Show(info[index]);
}

template <class Error>
[[noreturn]] void Throw(const Napi::CallbackInfo& info, const std::string& message, const char* code) {
  Error error = Error::New(info.Env(), message);
  error.Set("code", Napi::String::New(info.Env(), code));
  throw error;
}

template <class Array>
Array ArgTyped(const Napi::CallbackInfo& info, size_t index, napi_typedarray_type type, const char* expected) {
  if (!info[index].IsTypedArray() || info[index].As<Napi::TypedArray>().TypedArrayType() != type) {
    ThrowArgType(info, index, expected);
  }
  return info[index].As<Array>();
}

}  // namespace

void ThrowArgType(const Napi::CallbackInfo& info, size_t index, const std::string& expected) {
  Throw<Napi::TypeError>(info, Message(info, index, expected), "ERR_INVALID_ARGUMENT");
}

void ThrowArgRange(const Napi::CallbackInfo& info, size_t index, const std::string& expected) {
  Throw<Napi::RangeError>(info, Message(info, index, expected), "ERR_OUT_OF_RANGE");
}

void ThrowArgInteger(const Napi::CallbackInfo& info, size_t index, double low, double high) {
  auto whole = [](double limit) { return std::to_string(static_cast<int64_t>(limit)); };
  std::string expected = "an integer from " + whole(low) + " to " + whole(high);
  info[index].IsNumber() ? ThrowArgRange(info, index, expected) : ThrowArgType(info, index, expected);
}

double ArgNumber(const Napi::CallbackInfo& info, size_t index, double low, double high) {
  double value = 0;
  bool is_number = napi_get_value_double(info.Env(), info[index], &value) == napi_ok;
  if (is_number && value >= low && value <= high) return value;
  auto whole = [](double limit) { return std::to_string(static_cast<int64_t>(limit)); };
  std::string expected = "a number from " + whole(low) + " to " + whole(high);
  is_number ? ThrowArgRange(info, index, expected) : ThrowArgType(info, index, expected);
}

uint64_t ArgUint64(const Napi::CallbackInfo& info, size_t index) {
  constexpr const char* kExpected = "a bigint from 0 to 2^64 - 1";
  bool lossless = false;
  uint64_t value = 0;
  napi_status status = napi_get_value_bigint_uint64(info.Env(), info[index], &value, &lossless);
  if (status != napi_ok) ThrowArgType(info, index, kExpected);
  if (!lossless) ThrowArgRange(info, index, kExpected);
  return value;
}

int64_t ArgOffset(const Napi::CallbackInfo& info, size_t index) {
  constexpr const char* kExpected = "a bigint from -2^63 to 2^64 - 1";
  bool lossless = false;
  int64_t value = 0;
  napi_status status = napi_get_value_bigint_int64(info.Env(), info[index], &value, &lossless);
  if (status != napi_ok) ThrowArgType(info, index, kExpected);
  if (lossless) return value;
  uint64_t unsigned_value = 0;
  napi_get_value_bigint_uint64(info.Env(), info[index], &unsigned_value, &lossless);
  if (!lossless) ThrowArgRange(info, index, kExpected);
  return static_cast<int64_t>(unsigned_value);
}

bool ArgBoolean(const Napi::CallbackInfo& info, size_t index) {
  bool value = false;
  if (napi_get_value_bool(info.Env(), info[index], &value) != napi_ok) ThrowArgType(info, index, "a boolean");
  return value;
}

std::string ArgString(const Napi::CallbackInfo& info, size_t index) {
  constexpr const char* kExpected = "a string without NUL characters";
  if (!info[index].IsString()) ThrowArgType(info, index, kExpected);
  std::string value = info[index].As<Napi::String>().Utf8Value();
  if (value.find('\0') != std::string::npos) ThrowArgRange(info, index, kExpected);
  return value;
}

Napi::Function ArgFunction(const Napi::CallbackInfo& info, size_t index) {
  if (!info[index].IsFunction()) ThrowArgType(info, index, "a function");
  return info[index].As<Napi::Function>();
}

std::vector<int> ArgFds(const Napi::CallbackInfo& info, size_t index) {
  constexpr const char* kExpected = "an array of file descriptors";
  if (!info[index].IsArray()) ThrowArgType(info, index, kExpected);
  auto array = info[index].As<Napi::Array>();
  std::vector<int> fds(array.Length());
  for (uint32_t i = 0; i < fds.size(); i++) {
    if (napi_get_value_int32(info.Env(), array.Get(i), &fds[i]) != napi_ok) ThrowArgType(info, index, kExpected);
  }
  return fds;
}

Napi::Float64Array ArgDoubles(const Napi::CallbackInfo& info, size_t index) {
  return ArgTyped<Napi::Float64Array>(info, index, napi_float64_array, "a Float64Array");
}

Napi::Uint8Array ArgBytes(const Napi::CallbackInfo& info, size_t index) {
  return ArgTyped<Napi::Uint8Array>(info, index, napi_uint8_array, "a Uint8Array");
}

Napi::Int32Array ArgInt32s(const Napi::CallbackInfo& info, size_t index) {
  return ArgTyped<Napi::Int32Array>(info, index, napi_int32_array, "an Int32Array");
}

Napi::BigUint64Array ArgUint64s(const Napi::CallbackInfo& info, size_t index) {
  return ArgTyped<Napi::BigUint64Array>(info, index, napi_biguint64_array, "a BigUint64Array");
}

}  // namespace vfio_engine
