// How a thread that leads waits for bytes: it spins where that has paid of late, then sleeps in the receive itself.
#pragma once

#include "vfio_user/message_reader.h"
#include "vfio_user/message_sender.h"

namespace vfio_engine {

// Thread: one at a time.
class ReceiveWait {
 public:
  // Sets the socket's receive time-out, in slices of which a blocked thread looks at its deadline. Throws SysError.
  explicit ReceiveWait(int socket);
  // Waits for bytes and reads them. As MessageReader::Fill; -EAGAIN: look at the deadline and come back.
  ssize_t Fill(MessageReader& reader, MessageSender& sender, const Deadline& deadline);

 private:
  ssize_t Spin(MessageReader& reader);

  int socket_;
  bool can_spin_;
  // Spinning pays when the server runs on another CPU and is quick. After a miss fewer and fewer tries are made.
  unsigned skip_ = 0, skip_next_ = 1;
};

}  // namespace vfio_engine
