// Runs libFuzzer over functions of JavaScript: an addon of its own, which test/fuzz/run-script.ts loads. libFuzzer has
// a thread of its own, so that a target may await. The counters of the instrumented scripts are memory of this addon.
#include <node_api.h>
#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

// libFuzzer's. Source: compiler-rt/lib/fuzzer/FuzzerInterface.h, FuzzerTracePC.cpp.
extern "C" int LLVMFuzzerRunDriver(int* argc, char*** argv, int (*run)(const uint8_t* data, size_t size));
extern "C" void __sanitizer_cov_8bit_counters_init(uint8_t* begin, uint8_t* end);
extern "C" void __sanitizer_cov_trace_cmp8(uint64_t left, uint64_t right);
extern "C" void __sanitizer_cov_pcs_init(const uintptr_t* begin, const uintptr_t* end);

namespace {

constexpr size_t kCounters = 1 << 15;
// An input that takes longer hangs.
constexpr std::chrono::seconds kLongest(20);

uint8_t counters[kCounters];
// What libFuzzer expects beside the counters: a place and flags for each. The places are made up: their order is that
// of the counters, and nothing looks at code there.
uintptr_t places[2 * kCounters];

struct Input {
  const uint8_t* data;
  size_t size;
};

std::mutex mutex;
std::condition_variable ended;
bool done = false;
bool good = false;
std::vector<std::string> arguments;
napi_threadsafe_function run_target = nullptr;

// libFuzzer's callback. Thread: libFuzzer's.
int RunOne(const uint8_t* data, size_t size) {
  Input input{data, size};
  done = false;
  napi_call_threadsafe_function(run_target, &input, napi_tsfn_blocking);
  std::unique_lock<std::mutex> lock(mutex);
  if (!ended.wait_for(lock, kLongest, [] { return done; })) fprintf(stderr, "the input hangs\n");
  // libFuzzer's handler of the signal saves the input and ends the process.
  if (!done || !good) abort();
  return 0;
}

// Calls JavaScript with an input. Thread: the JavaScript thread.
void Deliver(napi_env env, napi_value callback, void*, void* data) {
  auto* input = static_cast<Input*>(data);
  napi_value global, bytes;
  napi_get_global(env, &global);
  napi_create_buffer_copy(env, input->size, input->data, nullptr, &bytes);
  napi_call_function(env, global, callback, 1, &bytes, nullptr);
}

// (arguments: string[], callback: (input: Uint8Array) => void). Starts libFuzzer, which ends the process. The callback
// must lead to one call of `settle`.
napi_value Start(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value values[2];
  napi_get_cb_info(env, info, &count, values, nullptr, nullptr);
  uint32_t length = 0;
  napi_get_array_length(env, values[0], &length);
  for (uint32_t i = 0; i < length; i++) {
    napi_value element;
    char text[4096];
    napi_get_element(env, values[0], i, &element);
    napi_get_value_string_utf8(env, element, text, sizeof(text), nullptr);
    arguments.push_back(text);
  }
  napi_value name;
  napi_create_string_utf8(env, "fuzz", NAPI_AUTO_LENGTH, &name);
  napi_create_threadsafe_function(env, values[1], nullptr, name, 0, 1, nullptr, nullptr, nullptr, Deliver, &run_target);
  for (size_t i = 0; i < kCounters; i++) places[2 * i] = i + 1;
  __sanitizer_cov_8bit_counters_init(counters, counters + kCounters);
  __sanitizer_cov_pcs_init(places, places + 2 * kCounters);
  std::thread([] {
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    int argc = static_cast<int>(pointers.size());
    pointers.push_back(nullptr);
    char** argv = pointers.data();
    // Node.js's own end must not run on this thread.
    on_exit(
        [](int status, void*) {
          fflush(nullptr);
          _exit(status);
        },
        nullptr);
    exit(LLVMFuzzerRunDriver(&argc, &argv, RunOne));
  }).detach();
  return nullptr;
}

// (good: boolean). Ends an input.
napi_value Settle(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value value;
  napi_get_cb_info(env, info, &count, &value, nullptr, nullptr);
  std::lock_guard<std::mutex> lock(mutex);
  napi_get_value_bool(env, value, &good);
  done = true;
  ended.notify_one();
  return nullptr;
}

// (left: bigint, right: bigint). Tells libFuzzer two numbers that were compared, whose low 64 bits it then tries.
napi_value Trace(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value values[2];
  napi_get_cb_info(env, info, &count, values, nullptr, nullptr);
  uint64_t left = 0, right = 0;
  bool lossless;
  napi_get_value_bigint_uint64(env, values[0], &left, &lossless);
  napi_get_value_bigint_uint64(env, values[1], &right, &lossless);
  __sanitizer_cov_trace_cmp8(left, right);
  return nullptr;
}

void Export(napi_env env, napi_value exports, const char* name, napi_callback callback) {
  napi_value function;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function);
  napi_set_named_property(env, exports, name, function);
}

}  // namespace

NAPI_MODULE_INIT() {
  napi_value buffer, view;
  napi_create_external_arraybuffer(env, counters, kCounters, nullptr, nullptr, &buffer);
  napi_create_typedarray(env, napi_uint8_array, kCounters, buffer, 0, &view);
  napi_set_named_property(env, exports, "counters", view);
  Export(env, exports, "start", Start);
  Export(env, exports, "settle", Settle);
  Export(env, exports, "trace", Trace);
  return exports;
}
