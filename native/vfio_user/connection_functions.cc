// The exported functions of client connections. Their contract: lib/native/vfio-user.ts.
#include <fcntl.h>

#include "common/args.h"
#include "common/async.h"
#include "common/bytes.h"
#include "common/export.h"
#include "vfio_user/connection.h"
#include "vfio_user/register_parts.h"

namespace vfio_engine {
namespace {

// (socket, timeoutMs) => handle. The connection owns the socket once it is open.
Napi::Value ConnectionOpen(const Napi::CallbackInfo& info) {
  int socket = ArgFd(info, 0);
  int timeout_ms = ArgInt32(info, 1);
  if (timeout_ms <= 0) throw SysError(EINVAL, "connectionOpen");
  // Before UniqueFd takes the number: if it is no open descriptor, closing it later could close another file.
  Check(::fcntl(socket, F_GETFD), "fcntl(F_GETFD)");
  return Napi::Number::New(info.Env(), Connections().Add(OpenConnection(UniqueFd(socket), timeout_ms)));
}

// Moves the reply's descriptors to JavaScript, which closes them.
Napi::Value ToJs(Napi::Env env, Reply reply) {
  Napi::Array fds = Napi::Array::New(env, reply.fds.size());
  for (uint32_t i = 0; i < reply.fds.size(); i++) fds.Set(i, reply.fds[i].get());
  Napi::Object result = Napi::Object::New(env);
  result.Set("payload", ToUint8Array(env, reply.payload));
  result.Set("fds", fds);
  for (UniqueFd& fd : reply.fds) static_cast<void>(fd.Release());
  return result;
}

// Duplicates descriptors, so that the caller may close its own before the message is sent.
std::vector<UniqueFd> Duplicates(const std::vector<int>& fds) {
  std::vector<UniqueFd> copies;
  for (int fd : fds) copies.push_back(UniqueFd(Check(::fcntl(fd, F_DUPFD_CLOEXEC, 0), "fcntl(F_DUPFD_CLOEXEC)")));
  return copies;
}

// (connection, command, payload, fds) => Promise<{ payload, fds }>
Napi::Value ConnectionRequest(const Napi::CallbackInfo& info) {
  std::shared_ptr<Connection> connection = Connections().Require(ArgHandle(info, 0), "sendmsg");
  uint32_t command = ArgUint32(info, 1);
  Napi::Uint8Array bytes = ArgBytes(info, 2);
  std::vector<uint8_t> payload(bytes.Data(), bytes.Data() + bytes.ByteLength());
  auto work = [connection, command, payload = std::move(payload), copies = Duplicates(ArgFds(info, 3))] {
    std::vector<int> numbers;
    for (const UniqueFd& fd : copies) numbers.push_back(fd.get());
    Reply reply;
    int result = connection->Request(static_cast<uint16_t>(command), payload, numbers, reply);
    if (result < 0) throw SysError(-result, "vfio-user");
    return reply;
  };
  return RunAsync(info.Env(), std::move(work), ToJs);
}

// Transfers between a region and the caller's array on the calling thread. Returns the count of bytes or a negative
// errno.
ssize_t RegionIo(const Napi::CallbackInfo& info, bool write) {
  uint64_t handle = ArgHandle(info, 0);
  uint32_t region_index = ArgUint32(info, 1);
  uint64_t offset = ArgUint64(info, 2);
  Napi::Uint8Array bytes = ArgBytes(info, 3);
  std::shared_ptr<Connection> connection = Connections().Get(handle);
  if (connection == nullptr) return -EBADF;
  if (bytes.ByteLength() > INT32_MAX) return -EINVAL;
  uint32_t count = static_cast<uint32_t>(bytes.ByteLength());
  return write ? connection->RegionWrite(region_index, offset, bytes.Data(), count)
               : connection->RegionRead(region_index, offset, bytes.Data(), count);
}

Napi::Value ConnectionRegionRead(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(RegionIo(info, false)));
}

Napi::Value ConnectionRegionWrite(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(RegionIo(info, true)));
}

// (connection, domain or 0)
Napi::Value ConnectionSetDomain(const Napi::CallbackInfo& info) {
  uint64_t handle = ArgHandle(info, 0);
  uint64_t domain_handle = ArgHandle(info, 1);
  std::shared_ptr<Domain> domain;
  if (domain_handle != 0) domain = Domains().Require(domain_handle, "connectionSetDomain");
  Connections().Require(handle, "connectionSetDomain")->SetDomain(std::move(domain));
  return info.Env().Undefined();
}

Napi::Value ConnectionSetMaxTransfer(const Napi::CallbackInfo& info) {
  Connections().Require(ArgHandle(info, 0), "connectionSetMaxTransfer")->SetMaxTransfer(ArgUint32(info, 1));
  return info.Env().Undefined();
}

Napi::Value ConnectionAlive(const Napi::CallbackInfo& info) {
  std::shared_ptr<Connection> connection = Connections().Get(ArgHandle(info, 0));
  return Napi::Boolean::New(info.Env(), connection != nullptr && connection->alive());
}

Napi::Value ConnectionHangupEvent(const Napi::CallbackInfo& info) {
  int fd = Connections().Require(ArgHandle(info, 0), "connectionHangupEvent")->hangup_event();
  return Napi::Number::New(info.Env(), fd);
}

Napi::Value ConnectionClose(const Napi::CallbackInfo& info) {
  std::shared_ptr<Connection> connection = Connections().Remove(ArgHandle(info, 0), "connectionClose");
  // The call drops the last owner before the promise settles: the socket is closed when the caller goes on.
  return RunClosing(info.Env(), [connection] { connection->Close(); });
}

}  // namespace

void RegisterConnections(Napi::Env env, Napi::Object exports) {
  Export<ConnectionOpen>(env, exports, "connectionOpen");
  Export<ConnectionRequest>(env, exports, "connectionRequest");
  Export<ConnectionRegionRead>(env, exports, "connectionRegionRead");
  Export<ConnectionRegionWrite>(env, exports, "connectionRegionWrite");
  Export<ConnectionSetDomain>(env, exports, "connectionSetDomain");
  Export<ConnectionSetMaxTransfer>(env, exports, "connectionSetMaxTransfer");
  Export<ConnectionAlive>(env, exports, "connectionAlive");
  Export<ConnectionHangupEvent>(env, exports, "connectionHangupEvent");
  Export<ConnectionClose>(env, exports, "connectionClose");
}

}  // namespace vfio_engine
