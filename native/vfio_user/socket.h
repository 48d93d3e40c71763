// Messages with descriptors over a Unix stream socket.
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <string>

#include "common/unique_fd.h"
#include "vfio_user/deadline.h"
#include "vfio_user/message.h"
#include "vfio_user/received_fds.h"

namespace vfio_engine {

// These are cold paths: they throw SysError. Thread: any that may block.
UniqueFd ListenUnix(const std::string& path, int backlog);
UniqueFd ConnectUnix(const std::string& path, int timeout_ms);
// Returns an empty UniqueFd if the time passed.
UniqueFd AcceptUnix(int listener, int timeout_ms);

// Makes one recvmsg(2). Adds the received descriptors (close-on-exec) to `fds`, or loses them if the process has no
// room for them. Returns the count of bytes, 0 at the end of the stream, or a negative errno. Thread: any.
ssize_t ReceiveSome(int socket, void* data, size_t length, ReceivedFds& fds, int flags);

// Receives a whole message into `buffer`. `first` limits the wait for the first byte, five seconds the wait for the
// rest. Returns the message's length, 0 if the peer closed between two messages, -EAGAIN if `first` passed, or another
// negative errno after which the stream is lost: -EPROTO, -EMSGSIZE, -ECONNRESET, -ETIMEDOUT. Thread: any that may
// block.
ssize_t ReceiveMessage(int socket, uint8_t* buffer, size_t capacity, ReceivedFds& fds, const Deadline& first);

// Makes one sendmsg(2) that neither blocks nor raises SIGPIPE. `fds` stay the caller's. Returns the count of bytes sent
// or a negative errno. Thread: any.
ssize_t SendSome(int socket, const iovec* parts, size_t count, const int* fds, size_t fd_count);

// Waits for `events` by poll(2). Returns false if the time passed. A hang-up counts as an event. Thread: any that may
// block.
bool WaitFor(int socket, short events, const Deadline& deadline);

}  // namespace vfio_engine
