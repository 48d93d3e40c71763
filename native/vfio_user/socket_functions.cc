// The addon's socket functions. Source of their contract: lib/native/vfio-user.ts.
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "common/async.h"
#include "vfio_user/arguments.h"
#include "vfio_user/register_parts.h"
#include "vfio_user/socket.h"

namespace vfio_engine {
namespace {

constexpr int kSendMs = 5000;
constexpr int kConnectMs = 5000;

Napi::Value SocketPair(const Napi::CallbackInfo& info) {
  return Guard(info.Env(), [&] {
    int fds[2];
    Check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), "socketpair");
    Napi::Array pair = Napi::Array::New(info.Env(), 2);
    pair.Set(0u, fds[0]);
    pair.Set(1u, fds[1]);
    return pair;
  });
}

Napi::Value UnixListen(const Napi::CallbackInfo& info) {
  std::string path = arguments::String(info, 0);
  int backlog = arguments::Int32(info, 1);
  return Guard(info.Env(), [&] { return Napi::Number::New(info.Env(), ListenUnix(path, backlog).Release()); });
}

Napi::Value UnixAccept(const Napi::CallbackInfo& info) {
  int listener = arguments::Int32(info, 0);
  int timeout_ms = arguments::Int32(info, 1);
  return Guard(info.Env(), [&] { return Napi::Number::New(info.Env(), AcceptUnix(listener, timeout_ms).Release()); });
}

Napi::Value UnixConnect(const Napi::CallbackInfo& info) {
  return RunAsync(
      info.Env(), [path = arguments::String(info, 0)] { return ConnectUnix(path, kConnectMs); },
      [](Napi::Env env, UniqueFd socket) { return Napi::Number::New(env, socket.Release()); });
}

Napi::Value SocketReceive(const Napi::CallbackInfo& info) {
  int socket = arguments::Int32(info, 0);
  Napi::Uint8Array buffer = arguments::Bytes(info, 1);
  Napi::Int32Array slots = arguments::Typed<Napi::Int32Array>(info, 2, napi_int32_array);
  int timeout_ms = arguments::Int32(info, 3);
  return Guard(info.Env(), [&] {
    if (slots.ElementLength() < 1) throw SysError(EINVAL, "recvmsg");
    std::vector<UniqueFd> fds;
    slots[0] = 0;
    ssize_t got =
        ReceiveMessage(socket, buffer.Data(), buffer.ByteLength(), fds, Deadline::In(timeout_ms < 0 ? -1 : timeout_ms));
    if (got == -EAGAIN) return Napi::Number::New(info.Env(), -1);
    if (got < 0) throw SysError(static_cast<int>(-got), "recvmsg");
    // More than was agreed on: not one of them is kept.
    if (fds.size() > slots.ElementLength() - 1) throw SysError(EPROTO, "recvmsg");
    for (size_t i = 0; i < fds.size(); i++) slots[i + 1] = fds[i].Release();
    slots[0] = static_cast<int32_t>(fds.size());
    return Napi::Number::New(info.Env(), static_cast<double>(got));
  });
}

void SocketSend(const Napi::CallbackInfo& info) {
  int socket = arguments::Int32(info, 0);
  Napi::Uint8Array buffer = arguments::Bytes(info, 1);
  uint32_t length = arguments::Uint32(info, 2);
  std::vector<int> fds = arguments::Fds(info, 3);
  Guard(info.Env(), [&] {
    if (length < sizeof(wire::Header) || length > buffer.ByteLength()) throw SysError(EINVAL, "sendmsg");
    Deadline deadline = Deadline::In(kSendMs);
    for (size_t done = 0; done < length;) {
      iovec part{buffer.Data() + done, length - done};
      ssize_t sent = SendSome(socket, &part, 1, fds.data(), done == 0 ? fds.size() : 0);
      if (sent == -EAGAIN && WaitFor(socket, POLLOUT, deadline)) continue;
      if (sent < 0) throw SysError(static_cast<int>(-sent), "sendmsg");
      done += static_cast<size_t>(sent);
    }
  });
}

// Wakes a thread that blocks on the socket, and ends the connection for both sides. The descriptor stays open.
void SocketShutdown(const Napi::CallbackInfo& info) {
  int socket = arguments::Int32(info, 0);
  Guard(info.Env(), [&] {
    if (::shutdown(socket, SHUT_RDWR) == 0) return;
    int error_number = errno;
    // The peer was first, or the socket listens and nobody waits.
    if (error_number != ENOTCONN) throw SysError(error_number, "shutdown");
  });
}

}  // namespace

void RegisterSockets(Napi::Env env, Napi::Object exports) {
  exports.Set("socketPair", Napi::Function::New(env, SocketPair));
  exports.Set("unixListen", Napi::Function::New(env, UnixListen));
  exports.Set("unixAccept", Napi::Function::New(env, UnixAccept));
  exports.Set("unixConnect", Napi::Function::New(env, UnixConnect));
  exports.Set("socketReceive", Napi::Function::New(env, SocketReceive));
  exports.Set("socketSend", Napi::Function::New(env, SocketSend));
  exports.Set("socketShutdown", Napi::Function::New(env, SocketShutdown));
}

}  // namespace vfio_engine
