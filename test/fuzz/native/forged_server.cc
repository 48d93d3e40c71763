#include "forged_server.h"

#include <sys/socket.h>

#include <utility>

#include "vfio_user/socket.h"

namespace fuzz {

using namespace vfio_engine;

bool ForgedServer::ReceiveAll(uint8_t* bytes, size_t length) {
  while (length > 0) {
    const ssize_t got = recv(socket_.get(), bytes, length, 0);
    if (got <= 0) return false;
    bytes += got;
    length -= static_cast<size_t>(got);
  }
  return true;
}

bool ForgedServer::Receive(Received& message) {
  if (!ReceiveAll(reinterpret_cast<uint8_t*>(&message.header), sizeof(message.header))) return false;
  Require(wire::Valid(message.header) && message.header.size <= wire::kMaxMessage, "the client sends valid headers");
  message.payload.resize(message.header.size - sizeof(message.header));
  return ReceiveAll(message.payload.data(), message.payload.size());
}

void ForgedServer::SendBytes(std::vector<uint8_t> bytes, size_t count) {
  if (bytes.empty()) return;
  const std::vector<int> fds(count, 0);
  iovec part{bytes.data(), bytes.size()};
  const ssize_t sent = SendSome(socket_.get(), &part, 1, fds.data(), fds.size());
  if (sent > 0) sent_.insert(sent_.end(), bytes.begin(), bytes.begin() + sent);
}

void ForgedServer::Send(const wire::Header& header, const std::vector<uint8_t>& payload, size_t count) {
  const auto* start = reinterpret_cast<const uint8_t*>(&header);
  std::vector<uint8_t> bytes(start, start + sizeof(header));
  bytes.insert(bytes.end(), payload.begin(), payload.end());
  SendBytes(std::move(bytes), count);
}

// Echoes an access with as many bytes as it counts; a reply that is not honest has forged fields.
void ForgedServer::SendReply(const Received& command, bool honest) {
  wire::Header header = command.header;
  header.flags = wire::kReply;
  std::vector<uint8_t> payload(command.payload);
  if (payload.size() >= sizeof(wire::RegionAccess)) {
    wire::RegionAccess access;
    std::memcpy(&access, payload.data(), sizeof(access));
    payload.resize(sizeof(access));
    if (header.command == wire::kRegionRead) payload.resize(sizeof(access) + std::min(access.count, 4096u), 7);
  }
  size_t fds = 0;
  if (!honest) {
    header.id = static_cast<uint16_t>(header.id + script_.Take<int8_t>());
    header.command ^= script_.U8();
    header.flags ^= script_.U8();
    header.error = script_.U8();
    for (uint8_t forged = script_.U8() % 4; forged > 0 && !payload.empty(); forged--) {
      payload[script_.U8() % payload.size()] ^= script_.U8();
    }
    payload.resize(payload.size() + script_.U8() % 3 * 8);
    fds = script_.U8() % 32;
  }
  header.size = static_cast<uint32_t>(sizeof(header) + payload.size());
  if (!honest && script_.U8() % 8 == 7) header.size += script_.U32();
  Send(header, payload, fds);
}

void ForgedServer::SendDma() {
  wire::Header header{script_.U16(), script_.U8(), 0, script_.U8(), 0};
  header.command = header.command % 4 == 0 ? header.command : wire::kDmaRead + header.command % 2;
  header.flags &= wire::kNoReply | wire::kError;
  wire::DmaAccess access{script_.U16(), script_.U16()};
  if (script_.U8() % 16 == 15) access = {script_.Take<uint64_t>(), script_.Take<uint64_t>()};
  std::vector<uint8_t> payload(reinterpret_cast<uint8_t*>(&access), reinterpret_cast<uint8_t*>(&access + 1));
  const size_t data = header.command == wire::kDmaWrite ? access.count % 4096 : 0;
  payload.resize(payload.size() + data, 9);
  if (script_.U8() % 8 == 7) payload.resize(script_.U8());
  header.size = static_cast<uint32_t>(sizeof(header) + payload.size());
  Send(header, payload, 0);
}

bool ForgedServer::Answer(const Received& command) {
  for (;;) {
    if (script_.left() == 0) return false;
    const uint8_t kind = script_.U8();
    if (kind % 8 < 2) SendReply(command, true);
    if (kind % 8 == 2 || kind % 8 == 3) SendReply(command, false);
    if (kind % 8 == 4 || kind % 8 == 5) SendDma();
    if (kind % 8 == 6) SendBytes(script_.Bytes(script_.U8()), 0);
    if (kind >= 128) return true;
  }
}

void ForgedServer::Serve() {
  Received command;
  bool more = true;
  while (more && Receive(command)) {
    if ((command.header.flags & wire::kTypeMask) == wire::kReply) {
      replies_.push_back(command);
    } else {
      more = Answer(command);
    }
  }
  shutdown(socket_.get(), SHUT_WR);
  while (Receive(command)) {
    if ((command.header.flags & wire::kTypeMask) == wire::kReply) replies_.push_back(command);
  }
}

std::vector<wire::Header> ForgedServer::Asked() const {
  std::vector<wire::Header> asked;
  wire::Header header;
  for (size_t at = 0; sent_.size() - at >= sizeof(header); at += header.size) {
    std::memcpy(&header, &sent_[at], sizeof(header));
    if (!wire::Valid(header) || header.size > sent_.size() - at) break;
    const bool command = (header.flags & wire::kTypeMask) == wire::kCommand;
    if (command && (header.flags & wire::kNoReply) == 0) asked.push_back(header);
  }
  return asked;
}

void ForgedServer::RequireAnswers() const {
  const std::vector<wire::Header> asked = Asked();
  Require(replies_.size() <= asked.size(), "there are no more replies than requests");
  for (size_t i = 0; i < replies_.size(); i++) {
    const auto& [header, payload] = replies_[i];
    Require(header.id == asked[i].id && header.command == asked[i].command, "a reply has the id of its request");
    const bool failed = (header.flags & wire::kError) != 0;
    Require(failed == (header.error != 0), "a reply that fails has an errno, and no other");
    Require(!failed || payload.empty(), "a reply that fails has no payload");
    if (failed) continue;
    wire::DmaAccess access;
    Require(payload.size() >= sizeof(access), "a reply names its access");
    std::memcpy(&access, payload.data(), sizeof(access));
    const size_t data = header.command == wire::kDmaRead ? access.count : 0;
    Require(payload.size() == sizeof(access) + data, "a reply has as many bytes as it counts");
  }
}

}  // namespace fuzz
