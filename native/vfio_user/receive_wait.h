// How the leader waits for bytes: it spins if spinning succeeded lately, then sleeps in the receive itself.
#pragma once

#include "vfio_user/message_reader.h"
#include "vfio_user/message_sender.h"

namespace vfio_engine {

// The socket stays the caller's. Thread: one at a time.
class ReceiveWait {
 public:
  // Sets the socket's receive time-out to a slice, after which a blocked thread checks its deadline. Throws SysError.
  explicit ReceiveWait(int socket);
  // Waits for bytes and reads them. Returns like MessageReader::Fill; after -EAGAIN check the deadline and call again.
  ssize_t Fill(MessageReader& reader, MessageSender& sender, const Deadline& deadline);

 private:
  ssize_t Spin(MessageReader& reader);

  int socket_;
  bool can_spin_;
  // Spinning succeeds if the server runs on another CPU and is quick. Each failure doubles the count of calls that skip
  // it.
  unsigned skip_ = 0, skip_next_ = 1;
};

}  // namespace vfio_engine
