/* An addon of one function: touch(address) reads a byte, as a stray pointer would. JavaScript itself cannot. */
#include <node_api.h>
#include <stdint.h>
#include <stddef.h>

static napi_value touch(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument, result;
  uint64_t address = 0;
  bool lossless = false;
  napi_get_cb_info(env, info, &count, &argument, NULL, NULL);
  napi_get_value_bigint_uint64(env, argument, &address, &lossless);
  napi_create_uint32(env, *(volatile uint8_t *)(uintptr_t)address, &result);
  return result;
}

NAPI_MODULE_INIT() {
  napi_value function;
  napi_create_function(env, "touch", NAPI_AUTO_LENGTH, touch, NULL, &function);
  napi_set_named_property(env, exports, "touch", function);
  return exports;
}
