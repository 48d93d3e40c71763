// What JavaScript sees of event/: arguments checked, results turned into values.
#include "common/register.h"

#include <fcntl.h>
#include <sys/eventfd.h>

#include "common/args.h"
#include "common/async.h"
#include "common/export.h"
#include "event/eventfd.h"
#include "event/watcher.h"

namespace vfio_engine {
namespace {

using WatcherHandle = Napi::External<std::shared_ptr<Watcher>>;

Napi::Value IsOpenFd(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), fcntl(ArgFd(info, 0), F_GETFD) >= 0);
}

Napi::Value CloseFdSync(const Napi::CallbackInfo& info) {
  CloseFd(ArgFd(info, 0));
  return info.Env().Undefined();
}

Napi::Value CloseFdAsync(const Napi::CallbackInfo& info) {
  int fd = ArgFd(info, 0);
  return RunAsyncVoid(info.Env(), [fd] { CloseFd(fd); });
}

Napi::Value DupFd(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), Check(fcntl(ArgFd(info, 0), F_DUPFD_CLOEXEC, 0), "fcntl(F_DUPFD_CLOEXEC)"));
}

Napi::Value EventfdCreate(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), Check(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd"));
}

Napi::Value EventfdWrite(const Napi::CallbackInfo& info) {
  EventfdAdd(ArgFd(info, 0), ArgSize(info, 1));
  return info.Env().Undefined();
}

Napi::Value EventfdRead(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(EventfdTake(ArgFd(info, 0))));
}

Napi::Value EventfdWaitSync(const Napi::CallbackInfo& info) {
  int fd = ArgFd(info, 0);
  if (!info[1].IsNumber()) ThrowArgType(info, 1, "a number");
  double timeout_ms = info[1].As<Napi::Number>().DoubleValue();
  // A wait without an end is not offered: a thread in it cannot be stopped.
  constexpr double kLongestMs = 0x7FFFFFFF;
  if (!(timeout_ms >= 0 && timeout_ms <= kLongestMs)) ThrowArgRange(info, 1);
  double spin_us = 0;
  if (!info[2].IsUndefined()) {
    if (!info[2].IsNumber()) ThrowArgType(info, 2, "a number");
    spin_us = info[2].As<Napi::Number>().DoubleValue();
    constexpr double kLongestSpinUs = 1000;
    if (!(spin_us >= 0 && spin_us <= kLongestSpinUs)) ThrowArgRange(info, 2);
  }
  return Napi::Number::New(info.Env(), static_cast<double>(EventfdWait(fd, timeout_ms, spin_us)));
}

Napi::Value WatcherCreate(const Napi::CallbackInfo& info) {
  int fd = ArgFd(info, 0);
  if (!info[1].IsFunction()) ThrowArgType(info, 1, "a function");
  auto* holder = new std::shared_ptr<Watcher>(Watcher::Start(info.Env(), fd, info[1].As<Napi::Function>()));
  // A handle that is collected closes nothing: the loop holds the watcher.
  auto release = [](Napi::BasicEnv, std::shared_ptr<Watcher>* owned) { delete owned; };
  return WatcherHandle::New(info.Env(), holder, release);
}

Watcher& ArgWatcher(const Napi::CallbackInfo& info, size_t index) {
  if (!info[index].IsExternal()) ThrowArgType(info, index, "a watcher");
  return **info[index].As<WatcherHandle>().Data();
}

Napi::Value WatcherSetRef(const Napi::CallbackInfo& info) {
  ArgWatcher(info, 0).SetRef(ArgBoolean(info, 1));
  return info.Env().Undefined();
}

Napi::Value WatcherClose(const Napi::CallbackInfo& info) {
  ArgWatcher(info, 0).Close();
  return info.Env().Undefined();
}

}  // namespace

void RegisterEvent(Napi::Env env, Napi::Object exports) {
  Export<IsOpenFd>(env, exports, "isOpenFd");
  Export<CloseFdSync>(env, exports, "closeFdSync");
  Export<CloseFdAsync>(env, exports, "closeFd");
  Export<DupFd>(env, exports, "dupFd");
  Export<EventfdCreate>(env, exports, "eventfdCreate");
  Export<EventfdWrite>(env, exports, "eventfdWrite");
  Export<EventfdRead>(env, exports, "eventfdRead");
  Export<EventfdWaitSync>(env, exports, "eventfdWait");
  Export<WatcherCreate>(env, exports, "watcherCreate");
  Export<WatcherSetRef>(env, exports, "watcherSetRef");
  Export<WatcherClose>(env, exports, "watcherClose");
}

}  // namespace vfio_engine
