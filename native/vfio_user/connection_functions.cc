// The addon's connection functions. Source of their contract: lib/native/vfio-user.ts.
#include <fcntl.h>

#include "common/async.h"
#include "vfio_user/arguments.h"
#include "vfio_user/connection.h"
#include "vfio_user/register_parts.h"

namespace vfio_engine {
namespace {

std::shared_ptr<Connection> Find(uint32_t handle, const char* call) {
  std::shared_ptr<Connection> connection = Connections().Get(handle);
  if (connection == nullptr) throw SysError(EBADF, call);
  return connection;
}

Napi::Value Open(const Napi::CallbackInfo& info) {
  int socket = arguments::Int32(info, 0);
  int timeout_ms = arguments::Int32(info, 1);
  return Guard(info.Env(), [&] {
    if (timeout_ms <= 0) throw SysError(EINVAL, "connectionOpen");
    // Before it is owned, so that a number that is no descriptor is not closed for somebody else.
    Check(::fcntl(socket, F_GETFD), "fcntl(F_GETFD)");
    return Napi::Number::New(info.Env(), Connections().Add(OpenConnection(UniqueFd(socket), timeout_ms)));
  });
}

Napi::Value ToJs(Napi::Env env, Reply reply) {
  Napi::Uint8Array payload = Napi::Uint8Array::New(env, reply.payload.size());
  std::copy(reply.payload.begin(), reply.payload.end(), payload.Data());
  Napi::Array fds = Napi::Array::New(env, reply.fds.size());
  for (uint32_t i = 0; i < reply.fds.size(); i++) fds.Set(i, reply.fds[i].Release());
  Napi::Object result = Napi::Object::New(env);
  result.Set("payload", payload);
  result.Set("fds", fds);
  return result;
}

// Copies of descriptors, so that the caller may close its own before the message went out.
std::vector<UniqueFd> Duplicates(const std::vector<int>& fds) {
  std::vector<UniqueFd> copies;
  for (int fd : fds) copies.push_back(UniqueFd(Check(::fcntl(fd, F_DUPFD_CLOEXEC, 0), "fcntl(F_DUPFD_CLOEXEC)")));
  return copies;
}

Napi::Value Request(const Napi::CallbackInfo& info) {
  uint32_t handle = arguments::Uint32(info, 0);
  uint32_t command = arguments::Uint32(info, 1);
  Napi::Uint8Array bytes = arguments::Bytes(info, 2);
  std::vector<uint8_t> payload(bytes.Data(), bytes.Data() + bytes.ByteLength());
  std::vector<int> fds = arguments::Fds(info, 3);
  return Guard(info.Env(), [&] {
    std::shared_ptr<Connection> connection = Find(handle, "sendmsg");
    auto work = [connection, command, payload = std::move(payload), copies = Duplicates(fds)] {
      std::vector<int> numbers;
      for (const UniqueFd& fd : copies) numbers.push_back(fd.get());
      Reply reply;
      int result = connection->Request(static_cast<uint16_t>(command), payload, numbers, reply);
      if (result < 0) throw SysError(-result, "vfio-user");
      return reply;
    };
    return RunAsync(info.Env(), std::move(work), ToJs);
  });
}

ssize_t RegionIo(const Napi::CallbackInfo& info, bool write) {
  uint32_t handle = arguments::Uint32(info, 0);
  uint32_t region_index = arguments::Uint32(info, 1);
  uint64_t offset = arguments::Uint64(info, 2);
  Napi::Uint8Array bytes = arguments::Bytes(info, 3);
  std::shared_ptr<Connection> connection = Connections().Get(handle);
  if (connection == nullptr) return -EBADF;
  if (bytes.ByteLength() > INT32_MAX) return -EINVAL;
  uint32_t count = static_cast<uint32_t>(bytes.ByteLength());
  return write ? connection->RegionWrite(region_index, offset, bytes.Data(), count)
               : connection->RegionRead(region_index, offset, bytes.Data(), count);
}

Napi::Value RegionRead(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(RegionIo(info, false)));
}

Napi::Value RegionWrite(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(RegionIo(info, true)));
}

void SetDomain(const Napi::CallbackInfo& info) {
  uint32_t handle = arguments::Uint32(info, 0);
  uint32_t domain_handle = arguments::Uint32(info, 1);
  Guard(info.Env(), [&] {
    std::shared_ptr<Domain> domain = domain_handle == 0 ? nullptr : Domains().Get(domain_handle);
    if (domain_handle != 0 && domain == nullptr) throw SysError(EBADF, "connectionSetDomain");
    Find(handle, "connectionSetDomain")->SetDomain(std::move(domain));
  });
}

void SetMaxTransfer(const Napi::CallbackInfo& info) {
  uint32_t handle = arguments::Uint32(info, 0);
  uint32_t bytes = arguments::Uint32(info, 1);
  Guard(info.Env(), [&] { Find(handle, "connectionSetMaxTransfer")->SetMaxTransfer(bytes); });
}

Napi::Value Alive(const Napi::CallbackInfo& info) {
  std::shared_ptr<Connection> connection = Connections().Get(arguments::Uint32(info, 0));
  return Napi::Boolean::New(info.Env(), connection != nullptr && connection->alive());
}

Napi::Value HangupEvent(const Napi::CallbackInfo& info) {
  uint32_t handle = arguments::Uint32(info, 0);
  return Guard(info.Env(),
               [&] { return Napi::Number::New(info.Env(), Find(handle, "connectionHangupEvent")->hangup_event()); });
}

Napi::Value Close(const Napi::CallbackInfo& info) {
  uint32_t handle = arguments::Uint32(info, 0);
  return Guard(info.Env(), [&] {
    std::shared_ptr<Connection> connection = Connections().Remove(handle);
    if (connection == nullptr) throw SysError(EBADF, "connectionClose");
    auto work = [connection = std::move(connection)]() mutable {
      connection->Close();
      // Here and not with the promise: the socket is closed when that settles.
      connection.reset();
      return 0;
    };
    return RunAsync(info.Env(), std::move(work), [](Napi::Env env, int) { return env.Undefined(); });
  });
}

}  // namespace

void RegisterConnections(Napi::Env env, Napi::Object exports) {
  exports.Set("connectionOpen", Napi::Function::New(env, Open));
  exports.Set("connectionRequest", Napi::Function::New(env, Request));
  exports.Set("connectionRegionRead", Napi::Function::New(env, RegionRead));
  exports.Set("connectionRegionWrite", Napi::Function::New(env, RegionWrite));
  exports.Set("connectionSetDomain", Napi::Function::New(env, SetDomain));
  exports.Set("connectionSetMaxTransfer", Napi::Function::New(env, SetMaxTransfer));
  exports.Set("connectionAlive", Napi::Function::New(env, Alive));
  exports.Set("connectionHangupEvent", Napi::Function::New(env, HangupEvent));
  exports.Set("connectionClose", Napi::Function::New(env, Close));
}

}  // namespace vfio_engine
