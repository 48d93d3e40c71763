// Fuzzes the two readers of vfio-user messages: MessageReader, which reads ahead, and ReceiveMessage. A stream of
// forged messages with descriptors arrives in pieces. What the readers return is compared with the stream.
//
// An input is pieces: a byte of what, a length, and the piece's bytes.
#include <sys/socket.h>

#include <cerrno>

#include "descriptors.h"
#include "input.h"
#include "vfio_user/message_reader.h"
#include "vfio_user/socket.h"

namespace fuzz {
namespace {

using namespace vfio_engine;

// The bytes that were sent, split as the protocol says. It is the oracle of both readers.
class Stream {
 public:
  void Append(const std::vector<uint8_t>& bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
  size_t left() const { return bytes_.size() - at_; }
  // Returns 1 for a whole message at the place of reading, 0 if more bytes are needed, or the error that ends a stream.
  int Peek(size_t longest, wire::Header* header) const {
    if (left() < sizeof(*header)) return 0;
    std::memcpy(header, &bytes_[at_], sizeof(*header));
    if ((header->flags & 15) > 1 || header->size < sizeof(*header)) return -EPROTO;
    if (header->size > longest) return -EMSGSIZE;
    return left() < header->size ? 0 : 1;
  }
  const uint8_t* Skip(size_t length) {
    at_ += length;
    return bytes_.data() + at_ - length;
  }

 private:
  std::vector<uint8_t> bytes_;
  size_t at_ = 0;
};

struct Piece {
  std::vector<uint8_t> bytes;
  size_t fds;
};

// The sizes of headers that a fuzzer rarely meets by chance.
constexpr uint32_t kSizes[] = {
    0, 15, 16, 17, 32, 4096, 65536, 65552, wire::kMaxMessage, wire::kMaxMessage + 1, 0x7FFFFFFF, 0xFFFFFFFF};

Piece TakePiece(Input& input) {
  const uint8_t kind = input.U8();
  Piece piece{{}, 0};
  if (kind % 4 == 1) piece.fds = kind / 4 % 20;
  if (kind % 4 == 2) {
    wire::Header header{input.U16(), input.U8(), kSizes[input.U8() % std::size(kSizes)], input.U8(), 0};
    piece.bytes.assign(reinterpret_cast<uint8_t*>(&header), reinterpret_cast<uint8_t*>(&header + 1));
  }
  if (kind % 4 == 3) piece.bytes.assign(kind * 256u, kind);
  const std::vector<uint8_t> bytes = input.Bytes(input.U8());
  piece.bytes.insert(piece.bytes.end(), bytes.begin(), bytes.end());
  return piece;
}

// Sends a piece. The bytes that the socket has no room for are cut off.
void Send(int socket, Piece& piece) {
  const std::vector<int> fds(piece.fds, 0);
  iovec part{piece.bytes.data(), piece.bytes.size()};
  const ssize_t sent = piece.bytes.empty() ? 0 : SendSome(socket, &part, 1, fds.data(), fds.size());
  Require(sent >= 0 || sent == -EAGAIN, "a piece is sent");
  piece.bytes.resize(sent < 0 ? 0 : static_cast<size_t>(sent));
}

// Takes all messages that have arrived. Returns false if the stream is lost.
bool TakeAll(MessageReader& reader, Stream& stream) {
  for (;;) {
    Message message{};
    wire::Header header;
    const int taken = reader.Take(message);
    const int expected = stream.Peek(wire::kMaxMessage, &header);
    Require(taken == expected, "Take finds the messages of the stream");
    if (taken <= 0) return taken == 0;
    const uint8_t* bytes = stream.Skip(header.size);
    Require(message.length == header.size - sizeof(header), "a payload has its length");
    Require(std::memcmp(message.payload, bytes + sizeof(header), message.length) == 0, "a payload is the sender's");
    Require(std::memcmp(&message.header, bytes, sizeof(header)) == 0, "a header is the sender's");
  }
}

void ReadAhead(const int* sockets, Input input) {
  MessageReader reader(sockets[0]);
  Stream stream;
  while (input.left() > 0) {
    Piece piece = TakePiece(input);
    Send(sockets[1], piece);
    // One receive can take a part of a piece: the reader knows no more than that.
    for (size_t known = 0;;) {
      const ssize_t got = reader.Fill(MSG_DONTWAIT);
      if (got == -EAGAIN) break;
      if (got == -EPROTO) return;  // too many descriptors
      Require(got > 0 && static_cast<size_t>(got) <= piece.bytes.size() - known, "a receive takes what was sent");
      const auto from = piece.bytes.begin() + static_cast<ptrdiff_t>(known);
      stream.Append({from, from + got});
      known += static_cast<size_t>(got);
      if (!TakeAll(reader, stream)) return;
    }
  }
}

// Reads messages one by one into a buffer of `capacity` bytes, which AddressSanitizer guards.
void ReadWhole(const int* sockets, Input input) {
  const size_t capacity = input.U16();
  Stream stream;
  size_t fds_sent = 0;
  while (input.left() > 0 && stream.left() < 65536) {
    Piece piece = TakePiece(input);
    fds_sent += piece.fds;
    Send(sockets[1], piece);
    stream.Append(piece.bytes);
  }
  shutdown(sockets[1], SHUT_WR);
  for (;;) {
    std::vector<uint8_t> buffer(capacity);
    ReceivedFds fds;
    const ssize_t got = ReceiveMessage(sockets[0], buffer.data(), capacity, fds, Deadline::In(0));
    wire::Header header;
    int expected = capacity < sizeof(header) ? -EMSGSIZE : stream.Peek(capacity, &header);
    if (expected == 0) expected = stream.left() == 0 ? 0 : -ECONNRESET;
    Require(fds.size() <= fds_sent, "no more descriptors come than were sent");
    Require(got == (expected == 1 ? static_cast<ssize_t>(header.size) : expected), "the message is the stream's");
    if (got <= 0) return;
    Require(std::memcmp(buffer.data(), stream.Skip(header.size), header.size) == 0, "its bytes are the sender's");
  }
}

void Run(Input input) {
  NoDescriptorLeft check;
  int sockets[2];
  Require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0, "sockets can be made");
  const UniqueFd ends[] = {UniqueFd(sockets[0]), UniqueFd(sockets[1])};
  if (input.U8() % 2 == 0) {
    ReadAhead(sockets, input);
  } else {
    ReadWhole(sockets, input);
  }
}

}  // namespace
}  // namespace fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Run(fuzz::Input(data, size));
  return 0;
}
