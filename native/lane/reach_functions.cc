// The exported functions that give regions and buffers to lanes and programs. Their contract: lib/native/lane.ts.
#include <v8.h>

#include <cstring>

#include "common/export.h"
#include "common/external.h"
#include "lane/buffer_args.h"
#include "lane/lane.h"
#include "lane/reach.h"
#include "lane/register_parts.h"

namespace vfio_engine {

std::shared_ptr<DmaBuffer> ArgSharedBuffer(const Napi::CallbackInfo& info, size_t index) {
  napi_value raw = info[index];
  // A napi_value is a v8::Local in every version of Node.js. The Node-API of Node 20 has no SharedArrayBuffer.
  v8::Local<v8::Value> value;
  std::memcpy(static_cast<void*>(&value), &raw, sizeof(raw));
  if (!value->IsSharedArrayBuffer()) ThrowArgType(info, index, "a SharedArrayBuffer");
  std::shared_ptr<v8::BackingStore> store = value.As<v8::SharedArrayBuffer>()->GetBackingStore();
  auto buffer = std::make_shared<DmaBuffer>();
  buffer->data = static_cast<uint8_t*>(store->Data());
  buffer->length = store->ByteLength();
  buffer->owner = std::move(store);
  return buffer;
}

Napi::Value NewProgram(Napi::Env env, std::shared_ptr<DmaBuffer> program) {
  return MakeExternal(env, std::make_unique<std::shared_ptr<DmaBuffer>>(std::move(program)));
}

const std::shared_ptr<DmaBuffer>& ArgProgram(const Napi::CallbackInfo& info, size_t index) {
  if (!info[index].IsExternal()) ThrowArgType(info, index, "a program");
  return *info[index].As<ProgramHandle>().Data();
}

namespace {

// The reach of a lane or of a program, which keep it alive.
std::shared_ptr<Reach> ArgReach(const Napi::CallbackInfo& info, const char* call) {
  if (!info[0].IsNumber()) return ArgProgram(info, 0)->reach;
  std::shared_ptr<Lane> lane = Lanes().Require(ArgHandle(info, 0), call);
  return {lane, &lane->reach()};
}

// (lane or program, region) => number
Napi::Value ReachAddRegion(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), ArgReach(info, "reachAddRegion")->AddRegion(ArgHandle(info, 1)));
}

Napi::Value ReachRemoveRegion(const Napi::CallbackInfo& info) {
  ArgReach(info, "reachRemoveRegion")->RemoveRegion(ArgUint32(info, 1));
  return info.Env().Undefined();
}

// (lane or program, SharedArrayBuffer or program) => number
Napi::Value ReachAddBuffer(const Napi::CallbackInfo& info) {
  std::shared_ptr<Reach> reach = ArgReach(info, "reachAddBuffer");
  bool is_program = info[1].IsExternal();
  return Napi::Number::New(info.Env(), reach->AddBuffer(is_program ? ArgProgram(info, 1) : ArgSharedBuffer(info, 1)));
}

Napi::Value ReachRemoveBuffer(const Napi::CallbackInfo& info) {
  ArgReach(info, "reachRemoveBuffer")->RemoveBuffer(ArgHandle(info, 1));
  return info.Env().Undefined();
}

}  // namespace

void RegisterReachFunctions(Napi::Env env, Napi::Object exports) {
  Export<ReachAddRegion>(env, exports, "reachAddRegion");
  Export<ReachRemoveRegion>(env, exports, "reachRemoveRegion");
  Export<ReachAddBuffer>(env, exports, "reachAddBuffer");
  Export<ReachRemoveBuffer>(env, exports, "reachRemoveBuffer");
}

}  // namespace vfio_engine
