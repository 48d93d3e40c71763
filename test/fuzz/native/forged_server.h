// A vfio-user server that sends what a fuzzer says, and that checks what the client sends.
#pragma once

#include <vector>

#include "common/unique_fd.h"
#include "input.h"
#include "vfio_user/message.h"

namespace fuzz {

// Thread: one that serves; the others may look once it has ended.
class ForgedServer {
 public:
  ForgedServer(vfio_engine::UniqueFd socket, Input script) : socket_(std::move(socket)), script_(script) {}

  // Answers the client's commands until the script ends, hangs up, and takes what the client still sends.
  void Serve();
  // Requires that each reply of the client belongs to a command that was sent.
  void RequireAnswers() const;

 private:
  struct Received {
    vfio_engine::wire::Header header;
    std::vector<uint8_t> payload;
  };
  bool Receive(Received& message);
  bool ReceiveAll(uint8_t* bytes, size_t length);
  // Sends the messages of one group. Returns false if the script ended.
  bool Answer(const Received& command);
  void Send(const vfio_engine::wire::Header& header, const std::vector<uint8_t>& payload, size_t fds);
  void SendReply(const Received& command, bool honest);
  void SendDma();
  void SendBytes(std::vector<uint8_t> bytes, size_t fds);
  // The commands in what was sent that want a reply.
  std::vector<vfio_engine::wire::Header> Asked() const;

  vfio_engine::UniqueFd socket_;
  Input script_;
  // All bytes that were sent. Forged lengths decide which of them are messages.
  std::vector<uint8_t> sent_;
  std::vector<Received> replies_;
};

}  // namespace fuzz
