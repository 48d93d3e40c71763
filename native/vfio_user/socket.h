// Messages over a unix stream socket, with descriptors beside them.
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <string>
#include <vector>

#include "common/unique_fd.h"
#include "vfio_user/deadline.h"
#include "vfio_user/message.h"

namespace vfio_engine {

// The kernel passes at most this many at once. Source: include/net/scm.h, SCM_MAX_FD
constexpr size_t kMaxScmFds = 253;

// Cold paths; throw SysError. Thread: any.
UniqueFd ListenUnix(const std::string& path, int backlog);
UniqueFd ConnectUnix(const std::string& path, int timeout_ms);
// Empty when the time passed.
UniqueFd AcceptUnix(int listener, int timeout_ms);

// One recvmsg(2). Appends the descriptors that came (close-on-exec) to `fds`. Returns the bytes, 0 at the end, or a
// negative errno; -EMFILE when this process had no room for the descriptors, of which none is left open then.
ssize_t ReceiveSome(int socket, void* data, size_t length, std::vector<UniqueFd>& fds, int flags);

// Receives a header and what it announces into `buffer`. `first` bounds the wait for the first byte, and five seconds
// that for the rest. Returns the message's length, 0 when the peer closed between two messages, -EAGAIN when `first`
// passed, or another negative errno after which the stream is lost: -EPROTO, -EMSGSIZE, -ECONNRESET, -ETIMEDOUT.
ssize_t ReceiveMessage(int socket, uint8_t* buffer, size_t capacity, std::vector<UniqueFd>& fds, const Deadline& first);

// One sendmsg(2) that neither blocks nor raises SIGPIPE. Returns the bytes taken or a negative errno.
ssize_t SendSome(int socket, const iovec* parts, size_t count, const int* fds, size_t fd_count);

// Waits for `events` (poll(2)). Returns false when the time passed. A hang-up counts as an event.
bool WaitFor(int socket, short events, const Deadline& deadline);

}  // namespace vfio_engine
