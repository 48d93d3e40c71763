// Splits a stream into messages. It reads ahead, so that a small message costs one system call.
#pragma once

#include <sys/types.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <vector>

#include "common/unique_fd.h"
#include "vfio_user/message.h"
#include "vfio_user/received_fds.h"

namespace vfio_engine {

struct Message {
  wire::Header header;
  const uint8_t* payload;  // the reader's, valid until the next Fill
  size_t length;           // of the payload
  std::vector<UniqueFd> fds;

  // Tells whether descriptors came with the message that this process had no room for.
  bool lost_fds() const {
    return std::any_of(fds.begin(), fds.end(), [](const UniqueFd& fd) { return !fd; });
  }
};

// The socket stays the caller's. Thread: one at a time.
class MessageReader {
 public:
  explicit MessageReader(int socket) : socket_(socket), buffer_(kReadAhead) {}

  // Takes the next message if all of it has been read. Returns 1, 0 (more bytes are needed), or -EPROTO or -EMSGSIZE
  // (the stream is lost). Throws bad_alloc (the stream is lost, too).
  int Take(Message& message);
  // Makes one recvmsg(2). Returns the count of bytes, 0 at the end of the stream, -EAGAIN, or another negative errno
  // (the stream is lost). Throws bad_alloc (the stream is lost, too).
  ssize_t Fill(int flags);

 private:
  static constexpr size_t kReadAhead = 65536;
  static constexpr size_t kMaxHeldFds = 64;

  // Descriptors belong to the last message that began before the end of the bytes that they arrived with: a receive
  // stops after the bytes that were sent with descriptors, and a sender sends them with a message's first byte.
  struct Passed {
    uint64_t end;
    std::vector<UniqueFd> fds;
  };
  bool HoldFds(ReceivedFds& fds);
  void TakeFds(uint64_t message_end, std::vector<UniqueFd>& fds);

  int socket_;
  std::vector<uint8_t> buffer_;
  size_t begin_ = 0, end_ = 0;  // the buffered bytes
  size_t need_ = sizeof(wire::Header);
  uint64_t position_ = 0;  // the place of begin_ in the stream
  std::deque<Passed> passed_;
  size_t held_fds_ = 0;
};

}  // namespace vfio_engine
