// The exported functions of lanes, workers and notifiers. Their contract: lib/native/lane.ts.
#include <uv.h>

#include "common/args.h"
#include "common/async.h"
#include "common/export.h"
#include "common/external.h"
#include "lane/io_worker.h"
#include "lane/notifier.h"
#include "lane/register_parts.h"
#include "memory/view.h"

namespace vfio_engine {
namespace {

using NotifierHandle = Napi::External<std::shared_ptr<Notifier>>;

const std::shared_ptr<Notifier>& ArgNotifier(const Napi::CallbackInfo& info, size_t index) {
  if (!info[index].IsExternal()) ThrowArgType(info, index, "a notifier's handle");
  return *info[index].As<NotifierHandle>().Data();
}

// (capacity) => handle
Napi::Value LaneCreate(const Napi::CallbackInfo& info) {
  uint32_t capacity = ArgUint32(info, 0);
  if (capacity < 2 || capacity > kMaxLaneCapacity || (capacity & (capacity - 1)) != 0) {
    ThrowArgRange(info, 0, "a power of two from 2 to " + std::to_string(kMaxLaneCapacity));
  }
  return Napi::Number::New(info.Env(), Lanes().Add(std::make_shared<Lane>(capacity)));
}

Napi::Value LaneView(const Napi::CallbackInfo& info) {
  return ViewOf(info.Env(), Lanes().Require(ArgHandle(info, 0), "laneView")->memory());
}

Napi::Value LaneClose(const Napi::CallbackInfo& info) {
  Lanes().Remove(ArgHandle(info, 0), "laneClose")->SetNotifier(nullptr);
  return info.Env().Undefined();
}

// (lane, the `completed` index that the caller saw last, looks) => whether it changed
Napi::Value LaneSpin(const Napi::CallbackInfo& info) {
  auto lane = Lanes().Require(ArgHandle(info, 0), "laneSpin");
  return Napi::Boolean::New(info.Env(), lane->SpinForCompletion(ArgUint32(info, 1), ArgUint32(info, 2)));
}

// (lane, the `completed` index that the caller saw last, microseconds). Blocks the calling thread.
Napi::Value LaneWait(const Napi::CallbackInfo& info) {
  auto lane = Lanes().Require(ArgHandle(info, 0), "laneWait");
  lane->WaitForCompletion(ArgUint32(info, 1), ArgUint32(info, 2));
  return info.Env().Undefined();
}

Napi::Value LaneSetNotifier(const Napi::CallbackInfo& info) {
  auto lane = Lanes().Require(ArgHandle(info, 0), "laneSetNotifier");
  lane->SetNotifier(ArgNotifier(info, 1));
  return info.Env().Undefined();
}

Napi::Value NotifierCreate(const Napi::CallbackInfo& info) {
  Napi::Function callback = ArgFunction(info, 0);
  // The handle first: the event loop holds a notifier until it is closed.
  NotifierHandle handle = MakeExternal(info.Env(), std::make_unique<std::shared_ptr<Notifier>>());
  *handle.Data() = Notifier::Start(info.Env(), callback);
  return handle;
}

Napi::Value NotifierSetRef(const Napi::CallbackInfo& info) {
  ArgNotifier(info, 0)->SetRef(ArgBoolean(info, 1));
  return info.Env().Undefined();
}

Napi::Value NotifierClose(const Napi::CallbackInfo& info) {
  ArgNotifier(info, 0)->Close();
  return info.Env().Undefined();
}

Napi::Value WorkerCreate(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), IoWorkers().Add(std::make_shared<IoWorker>()));
}

std::shared_ptr<IoWorker> ArgWorker(const Napi::CallbackInfo& info, const char* call) {
  return IoWorkers().Require(ArgHandle(info, 0), call);
}

Napi::Value WorkerView(const Napi::CallbackInfo& info) {
  return ViewOf(info.Env(), ArgWorker(info, "workerView")->memory());
}

// (worker, milliseconds, spin microseconds) => whether to serve on. Blocks the calling thread.
Napi::Value WorkerServe(const Napi::CallbackInfo& info) {
  auto worker = ArgWorker(info, "workerServe");
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(info.Env(), &loop) != napi_ok) throw Napi::Error::New(info.Env());
  // libuv's descriptor can be read when the event loop has something to do: Worker.terminate() of another thread too.
  const int wanted = uv_backend_fd(loop);
  return Napi::Boolean::New(info.Env(), worker->Serve(ArgUint32(info, 1), ArgUint32(info, 2), wanted));
}

Napi::Value WorkerAddLane(const Napi::CallbackInfo& info) {
  ArgWorker(info, "workerAddLane")->AddLane(Lanes().Require(ArgHandle(info, 1), "workerAddLane"));
  return info.Env().Undefined();
}

Napi::Value WorkerRemoveLane(const Napi::CallbackInfo& info) {
  auto worker = ArgWorker(info, "workerRemoveLane");
  auto lane = Lanes().Require(ArgHandle(info, 1), "workerRemoveLane");
  return RunClosing(info.Env(), [worker, lane] { worker->RemoveLane(lane); });
}

Napi::Value WorkerWake(const Napi::CallbackInfo& info) {
  ArgWorker(info, "workerWake")->Wake();
  return info.Env().Undefined();
}

Napi::Value WorkerStop(const Napi::CallbackInfo& info) {
  ArgWorker(info, "workerStop")->Stop();
  return info.Env().Undefined();
}

Napi::Value WorkerRecover(const Napi::CallbackInfo& info) {
  ArgWorker(info, "workerRecover")->Recover();
  return info.Env().Undefined();
}

Napi::Value WorkerFail(const Napi::CallbackInfo& info) {
  ArgWorker(info, "workerFail")->Fail();
  return info.Env().Undefined();
}

Napi::Value WorkerClose(const Napi::CallbackInfo& info) {
  IoWorkers().Remove(ArgHandle(info, 0), "workerClose");
  return info.Env().Undefined();
}

}  // namespace

void RegisterLaneFunctions(Napi::Env env, Napi::Object exports) {
  Export<LaneCreate>(env, exports, "laneCreate");
  Export<LaneView>(env, exports, "laneView");
  Export<LaneClose>(env, exports, "laneClose");
  Export<LaneSpin>(env, exports, "laneSpin");
  Export<LaneWait>(env, exports, "laneWait");
  Export<LaneSetNotifier>(env, exports, "laneSetNotifier");
  Export<NotifierCreate>(env, exports, "notifierCreate");
  Export<NotifierSetRef>(env, exports, "notifierSetRef");
  Export<NotifierClose>(env, exports, "notifierClose");
  Export<WorkerCreate>(env, exports, "workerCreate");
  Export<WorkerView>(env, exports, "workerView");
  Export<WorkerServe>(env, exports, "workerServe");
  Export<WorkerAddLane>(env, exports, "workerAddLane");
  Export<WorkerRemoveLane>(env, exports, "workerRemoveLane");
  Export<WorkerWake>(env, exports, "workerWake");
  Export<WorkerStop>(env, exports, "workerStop");
  Export<WorkerRecover>(env, exports, "workerRecover");
  Export<WorkerFail>(env, exports, "workerFail");
  Export<WorkerClose>(env, exports, "workerClose");
}

}  // namespace vfio_engine
