// What JavaScript sees of lanes, workers and notifiers.
#include "common/args.h"
#include "common/async.h"
#include "common/export.h"
#include "lane/io_worker.h"
#include "lane/register_parts.h"
#include "memory/view.h"

namespace vfio_engine {
namespace {

using NotifierHandle = Napi::External<std::shared_ptr<Notifier>>;

template <class T>
std::shared_ptr<T> Require(HandleTable<T>& table, uint32_t handle, const char* call) {
  std::shared_ptr<T> object = table.Get(handle);
  if (object == nullptr) throw SysError(EBADF, call);
  return object;
}

Napi::Value LaneCreate(const Napi::CallbackInfo& info) {
  uint32_t capacity = ArgUint32(info, 0);
  if (capacity < 2 || capacity > kMaxLaneCapacity || (capacity & (capacity - 1)) != 0) ThrowArgRange(info, 0);
  return Napi::Number::New(info.Env(), Lanes().Add(std::make_shared<Lane>(capacity)));
}

Napi::Value LaneView(const Napi::CallbackInfo& info) {
  return ViewOf(info.Env(), Require(Lanes(), ArgUint32(info, 0), "laneView")->memory());
}

Napi::Value LaneClose(const Napi::CallbackInfo& info) {
  std::shared_ptr<Lane> lane = Lanes().Remove(ArgUint32(info, 0));
  if (lane == nullptr) throw SysError(EBADF, "laneClose");
  lane->SetNotifier(nullptr);
  return info.Env().Undefined();
}

// (lane, completed as last seen, looks) => whether it changed
Napi::Value LaneSpin(const Napi::CallbackInfo& info) {
  auto lane = Require(Lanes(), ArgUint32(info, 0), "laneSpin");
  return Napi::Boolean::New(info.Env(), lane->SpinForCompletion(ArgUint32(info, 1), ArgUint32(info, 2)));
}

// (lane, completed as last seen, microseconds)
Napi::Value LaneWait(const Napi::CallbackInfo& info) {
  auto lane = Require(Lanes(), ArgUint32(info, 0), "laneWait");
  lane->WaitForCompletion(ArgUint32(info, 1), ArgUint32(info, 2));
  return info.Env().Undefined();
}

Napi::Value LaneSetNotifier(const Napi::CallbackInfo& info) {
  auto lane = Require(Lanes(), ArgUint32(info, 0), "laneSetNotifier");
  if (!info[1].IsExternal()) ThrowArgType(info, 1, "a notifier");
  lane->SetNotifier(*info[1].As<NotifierHandle>().Data());
  return info.Env().Undefined();
}

Napi::Value NotifierCreate(const Napi::CallbackInfo& info) {
  if (!info[0].IsFunction()) ThrowArgType(info, 0, "a function");
  auto* holder = new std::shared_ptr<Notifier>(Notifier::Start(info.Env(), info[0].As<Napi::Function>()));
  auto release = [](Napi::BasicEnv, std::shared_ptr<Notifier>* owned) { delete owned; };
  return NotifierHandle::New(info.Env(), holder, release);
}

Notifier& ArgNotifier(const Napi::CallbackInfo& info) {
  if (!info[0].IsExternal()) ThrowArgType(info, 0, "a notifier");
  return **info[0].As<NotifierHandle>().Data();
}

Napi::Value NotifierSetRef(const Napi::CallbackInfo& info) {
  ArgNotifier(info).SetRef(ArgBoolean(info, 1));
  return info.Env().Undefined();
}

Napi::Value NotifierClose(const Napi::CallbackInfo& info) {
  ArgNotifier(info).Close();
  return info.Env().Undefined();
}

Napi::Value WorkerCreate(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), IoWorkers().Add(std::make_shared<IoWorker>()));
}

std::shared_ptr<IoWorker> ArgWorker(const Napi::CallbackInfo& info, const char* call) {
  return Require(IoWorkers(), ArgUint32(info, 0), call);
}

Napi::Value WorkerView(const Napi::CallbackInfo& info) {
  return ViewOf(info.Env(), ArgWorker(info, "workerView")->memory());
}

// (worker, most milliseconds, spin microseconds) => whether to serve on
Napi::Value WorkerServe(const Napi::CallbackInfo& info) {
  auto worker = ArgWorker(info, "workerServe");
  return Napi::Boolean::New(info.Env(), worker->Serve(ArgUint32(info, 1), ArgUint32(info, 2)));
}

Napi::Value WorkerAddLane(const Napi::CallbackInfo& info) {
  ArgWorker(info, "workerAddLane")->AddLane(Require(Lanes(), ArgUint32(info, 1), "workerAddLane"));
  return info.Env().Undefined();
}

Napi::Value WorkerRemoveLane(const Napi::CallbackInfo& info) {
  auto worker = ArgWorker(info, "workerRemoveLane");
  auto lane = Require(Lanes(), ArgUint32(info, 1), "workerRemoveLane");
  return RunAsyncVoid(info.Env(), [worker, lane] { worker->RemoveLane(lane); });
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
  if (IoWorkers().Remove(ArgUint32(info, 0)) == nullptr) throw SysError(EBADF, "workerClose");
  return info.Env().Undefined();
}

// The layout as C++ has it, for the test that compares it with lib/layout/lane.ts.
Napi::Value LaneLayout(const Napi::CallbackInfo& info) {
  Napi::Object layout = Napi::Object::New(info.Env());
  layout.Set("slotsOffset", sizeof(LaneHeader));
  layout.Set("slotSize", sizeof(Slot));
  layout.Set("produced", offsetof(LaneHeader, produced));
  layout.Set("notify", offsetof(LaneHeader, notify));
  layout.Set("claimed", offsetof(LaneHeader, claimed));
  layout.Set("completed", offsetof(LaneHeader, completed));
  layout.Set("op", offsetof(Slot, op));
  layout.Set("width", offsetof(Slot, width));
  layout.Set("cancelled", offsetof(Slot, cancelled));
  layout.Set("region", offsetof(Slot, region));
  layout.Set("offset", offsetof(Slot, offset));
  layout.Set("value", offsetof(Slot, value));
  layout.Set("mask", offsetof(Slot, mask));
  layout.Set("bufferOffset", offsetof(Slot, buffer_offset));
  layout.Set("buffer", offsetof(Slot, buffer));
  layout.Set("length", offsetof(Slot, length));
  layout.Set("deadline", offsetof(Slot, deadline_us));
  layout.Set("status", offsetof(Slot, status));
  layout.Set("sleeping", offsetof(WorkerControl, sleeping));
  layout.Set("spin", offsetof(WorkerControl, spin_us));
  return layout;
}

}  // namespace

void RegisterLaneFunctions(Napi::Env env, Napi::Object exports) {
  Export<LaneCreate>(env, exports, "laneCreate");
  Export<LaneView>(env, exports, "laneView");
  Export<LaneClose>(env, exports, "laneClose");
  Export<LaneSpin>(env, exports, "laneSpin");
  Export<LaneWait>(env, exports, "laneWait");
  Export<LaneSetNotifier>(env, exports, "laneSetNotifier");
  Export<LaneLayout>(env, exports, "laneLayout");
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
