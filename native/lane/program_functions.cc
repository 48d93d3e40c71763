// The exported functions of programs. Its contract: lib/native/lane.ts.
#include "common/args.h"
#include "common/export.h"
#include "lane/buffer_args.h"
#include "lane/program.h"
#include "lane/register_parts.h"

namespace vfio_engine {
namespace {

constexpr const char* kProgramRun = "programRun";

// Throws a RangeError about an argument. Returns null, for the caller to return.
napi_value Reject(napi_env env, napi_callback_info info, size_t index, const char* expected) {
  return Called(env, [&]() -> napi_value { ThrowArgRange(Napi::CallbackInfo(env, info), index, expected); });
}

// (slots: SharedArrayBuffer) => a program, which keeps the memory alive
Napi::Value ProgramCreate(const Napi::CallbackInfo& info) {
  std::shared_ptr<DmaBuffer> program = ArgSharedBuffer(info, 0);
  program->reach = std::make_shared<Reach>();
  return NewProgram(info.Env(), std::move(program));
}

// (program, count, ran = 0) => how many ran if the program has ended, else the bitwise complement of how many ran so
// far: the caller calls again with that count. Plain Node-API, which costs less: short programs run often.
napi_value ProgramRun(napi_env env, napi_callback_info info) {
  size_t argument_count = 3;
  napi_value arguments[3];
  napi_get_cb_info(env, info, &argument_count, arguments, nullptr, nullptr);
  void* external = nullptr;
  if (napi_get_value_external(env, arguments[0], &external) != napi_ok) return Reject(env, info, 0, "a program");
  const DmaBuffer& program = **static_cast<std::shared_ptr<DmaBuffer>*>(external);
  double count = -1;
  napi_get_value_double(env, arguments[1], &count);
  if (!(count >= 0 && count <= static_cast<double>(program.length / sizeof(Slot)))) {
    return Reject(env, info, 1, "at most the count of slots in argument 0");
  }
  uint32_t ran = 0;
  if (argument_count > 2) napi_get_value_uint32(env, arguments[2], &ran);
  if (ran > count) return Reject(env, info, 2, "at most argument 1");
  auto* slots = reinterpret_cast<Slot*>(program.data);
  bool ended = RunForATurn(slots, static_cast<uint32_t>(count), *program.reach, &ran);
  napi_value result = nullptr;
  napi_create_int32(env, static_cast<int32_t>(ended ? ran : ~ran), &result);
  return result;
}

}  // namespace

void RegisterProgram(Napi::Env env, Napi::Object exports) {
  Export<ProgramCreate>(env, exports, "programCreate");
  ExportPlain(env, exports, kProgramRun, ProgramRun, const_cast<char*>(kProgramRun));
}

}  // namespace vfio_engine
