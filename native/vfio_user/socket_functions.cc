// The exported functions of sockets. Their contract: lib/native/vfio-user.ts.
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "common/args.h"
#include "common/async.h"
#include "common/export.h"
#include "vfio_user/register_parts.h"
#include "vfio_user/socket.h"

namespace vfio_engine {
namespace {

constexpr int kSendMs = 5000;
constexpr int kConnectMs = 5000;

// () => [fd, fd], both the caller's to close.
Napi::Value SocketPair(const Napi::CallbackInfo& info) {
  int fds[2];
  Check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), "socketpair");
  Napi::Array pair = Napi::Array::New(info.Env(), 2);
  pair.Set(0u, fds[0]);
  pair.Set(1u, fds[1]);
  return pair;
}

// (path, backlog) => fd
Napi::Value UnixListen(const Napi::CallbackInfo& info) {
  std::string path = ArgString(info, 0);
  return Napi::Number::New(info.Env(), ListenUnix(path, ArgInt32(info, 1)).Release());
}

// (listener, timeoutMs) => fd, or -1 if the time passed
Napi::Value UnixAccept(const Napi::CallbackInfo& info) {
  int listener = ArgFd(info, 0);
  return Napi::Number::New(info.Env(), AcceptUnix(listener, ArgInt32(info, 1)).Release());
}

// (path) => Promise<fd>
Napi::Value UnixConnect(const Napi::CallbackInfo& info) {
  return RunAsync(
      info.Env(), [path = ArgString(info, 0)] { return ConnectUnix(path, kConnectMs); },
      [](Napi::Env env, UniqueFd socket) { return Napi::Number::New(env, socket.Release()); });
}

// (socket, buffer, slots: Int32Array, timeoutMs) => the message's length, 0 (the peer closed) or -1 (the time passed).
// Stores the count of received descriptors in slots[0] and the descriptors, now the caller's, behind it; -1 among them
// if the process had no room for some.
Napi::Value SocketReceive(const Napi::CallbackInfo& info) {
  int socket = ArgFd(info, 0);
  Napi::Uint8Array buffer = ArgBytes(info, 1);
  Napi::Int32Array slots = ArgInt32s(info, 2);
  int timeout_ms = ArgInt32(info, 3);
  if (slots.ElementLength() < 1) throw SysError(EINVAL, "recvmsg");
  ReceivedFds fds;
  slots[0] = 0;
  Deadline deadline = Deadline::In(timeout_ms < 0 ? -1 : timeout_ms);
  ssize_t got = ReceiveMessage(socket, buffer.Data(), buffer.ByteLength(), fds, deadline);
  if (got == -EAGAIN) return Napi::Number::New(info.Env(), -1);
  if (got < 0) throw SysError(static_cast<int>(-got), "recvmsg");
  const size_t count = fds.lost() ? 1 : fds.size();
  // The peer sent more descriptors than were agreed on: all of them are closed.
  if (count > slots.ElementLength() - 1) throw SysError(EPROTO, "recvmsg");
  for (size_t i = 0; i < count; i++) slots[i + 1] = fds.lost() ? -1 : fds.Take(i).Release();
  slots[0] = static_cast<int32_t>(count);
  return Napi::Number::New(info.Env(), static_cast<double>(got));
}

// (socket, buffer, length, fds). The descriptors stay the caller's.
Napi::Value SocketSend(const Napi::CallbackInfo& info) {
  int socket = ArgFd(info, 0);
  Napi::Uint8Array buffer = ArgBytes(info, 1);
  uint32_t length = ArgUint32(info, 2);
  std::vector<int> fds = ArgFds(info, 3);
  if (length < sizeof(wire::Header) || length > buffer.ByteLength()) throw SysError(EINVAL, "sendmsg");
  Deadline deadline = Deadline::In(kSendMs);
  for (size_t done = 0; done < length;) {
    iovec part{buffer.Data() + done, length - done};
    ssize_t sent = SendSome(socket, &part, 1, fds.data(), done == 0 ? fds.size() : 0);
    if (sent == -EAGAIN && WaitFor(socket, POLLOUT, deadline)) continue;
    if (sent < 0) throw SysError(static_cast<int>(-sent), "sendmsg");
    done += static_cast<size_t>(sent);
  }
  return info.Env().Undefined();
}

// Wakes a thread that blocks on the socket and ends the connection for both sides. The descriptor stays open.
Napi::Value SocketShutdown(const Napi::CallbackInfo& info) {
  if (::shutdown(ArgFd(info, 0), SHUT_RDWR) == 0) return info.Env().Undefined();
  int error_number = errno;
  // ENOTCONN: the peer was first, or the socket only listens.
  if (error_number != ENOTCONN) throw SysError(error_number, "shutdown");
  return info.Env().Undefined();
}

}  // namespace

void RegisterSockets(Napi::Env env, Napi::Object exports) {
  Export<SocketPair>(env, exports, "socketPair");
  Export<UnixListen>(env, exports, "unixListen");
  Export<UnixAccept>(env, exports, "unixAccept");
  Export<UnixConnect>(env, exports, "unixConnect");
  Export<SocketReceive>(env, exports, "socketReceive");
  Export<SocketSend>(env, exports, "socketSend");
  Export<SocketShutdown>(env, exports, "socketShutdown");
}

}  // namespace vfio_engine
