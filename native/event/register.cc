// The exported functions of event/. Their contract: lib/native/event.ts.
#include "common/register.h"

#include <fcntl.h>
#include <sys/eventfd.h>

#include "common/args.h"
#include "common/async.h"
#include "common/export.h"
#include "common/external.h"
#include "event/eventfd.h"
#include "event/watcher.h"

namespace vfio_engine {
namespace {

using WatcherHandle = Napi::External<std::shared_ptr<Watcher>>;

Napi::Value IsOpenFd(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), fcntl(ArgFd(info, 0), F_GETFD) >= 0);
}

Napi::Value IsEventfdOpen(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), IsEventfd(ArgFd(info, 0)));
}

Napi::Value CloseFdSync(const Napi::CallbackInfo& info) {
  CloseFd(ArgFd(info, 0));
  return info.Env().Undefined();
}

Napi::Value CloseFdAsync(const Napi::CallbackInfo& info) {
  int fd = ArgFd(info, 0);
  return RunClosing(info.Env(), [fd] { CloseFd(fd); });
}

// (fd) => a duplicate, the caller's to close.
Napi::Value DupFd(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), Check(fcntl(ArgFd(info, 0), F_DUPFD_CLOEXEC, 0), "fcntl(F_DUPFD_CLOEXEC)"));
}

using OwnedFd = Napi::External<UniqueFd>;

// (fd) => an owner of the descriptor. The end of the environment finalizes an owner, however its thread ends.
Napi::Value FdOwn(const Napi::CallbackInfo& info) {
  int fd = ArgFd(info, 0);
  Check(fcntl(fd, F_GETFD), "fcntl(F_GETFD)");
  // It owns the descriptor only when nothing can fail any more.
  OwnedFd owner = MakeExternal(info.Env(), std::make_unique<UniqueFd>());
  owner.Data()->Reset(fd);
  return owner;
}

Napi::Value FdOwnClose(const Napi::CallbackInfo& info) {
  if (!info[0].IsExternal()) ThrowArgType(info, 0, "an owner of a descriptor");
  info[0].As<OwnedFd>().Data()->Reset();
  return info.Env().Undefined();
}

// () => fd, non-blocking, the caller's to close.
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

// (fd, timeoutMs, spinUs = 0) => the count, 0 if the time passed. Blocks the calling thread.
Napi::Value EventfdWaitSync(const Napi::CallbackInfo& info) {
  // Both waits are limited: a thread inside an unlimited wait cannot be terminated.
  constexpr double kLongestMs = 0x7FFFFFFF;
  constexpr double kLongestSpinUs = 1000;
  int fd = ArgFd(info, 0);
  double timeout_ms = ArgNumber(info, 1, 0, kLongestMs);
  double spin_us = info[2].IsUndefined() ? 0 : ArgNumber(info, 2, 0, kLongestSpinUs);
  return Napi::Number::New(info.Env(), static_cast<double>(EventfdWait(fd, timeout_ms, spin_us)));
}

// (eventfd, callback: (count) => void) => handle. The eventfd stays the caller's.
Napi::Value WatcherCreate(const Napi::CallbackInfo& info) {
  int fd = ArgFd(info, 0);
  Napi::Function callback = ArgFunction(info, 1);
  // The handle first: the event loop holds a watcher until it is closed. Collecting the handle does not close it.
  WatcherHandle handle = MakeExternal(info.Env(), std::make_unique<std::shared_ptr<Watcher>>());
  *handle.Data() = Watcher::Start(info.Env(), fd, callback);
  return handle;
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
  Export<IsEventfdOpen>(env, exports, "isEventfd");
  Export<CloseFdSync>(env, exports, "closeFdSync");
  Export<CloseFdAsync>(env, exports, "closeFd");
  Export<DupFd>(env, exports, "dupFd");
  Export<FdOwn>(env, exports, "fdOwn");
  Export<FdOwnClose>(env, exports, "fdOwnClose");
  Export<EventfdCreate>(env, exports, "eventfdCreate");
  Export<EventfdWrite>(env, exports, "eventfdWrite");
  Export<EventfdRead>(env, exports, "eventfdRead");
  Export<EventfdWaitSync>(env, exports, "eventfdWait");
  Export<WatcherCreate>(env, exports, "watcherCreate");
  Export<WatcherSetRef>(env, exports, "watcherSetRef");
  Export<WatcherClose>(env, exports, "watcherClose");
}

}  // namespace vfio_engine
