// Fuzzes the client of a vfio-user server (native/vfio_user): a forged server answers its commands with any messages,
// with descriptors, with DMA, or not at all.
//
// An input is a byte of settings, four operations of the client of 8 bytes each, and the messages of the server. The
// server sends the messages of one group for each command that it receives, and then hangs up.
#include <sys/socket.h>

#include <cerrno>
#include <set>
#include <thread>

#include "descriptors.h"
#include "forged_server.h"
#include "input.h"
#include "vfio_user/client_connection.h"
#include "vfio_user/domain.h"

namespace fuzz {
namespace {

using namespace vfio_engine;

constexpr int kTimeoutMs = 5;
constexpr size_t kOperations = 4;
constexpr uint8_t kUntouched = 0xA5;
constexpr int kMaxErrno = 4095;

// Memory for the server's DMA: a part that it may write, a part that it may only read, and a canary behind both.
struct Guest {
  static constexpr uint64_t kIova = 0x1000;
  static constexpr size_t kPart = 512;
  std::vector<uint8_t> memory = std::vector<uint8_t>(3 * kPart, kUntouched);
  std::shared_ptr<Domain> domain = std::make_shared<Domain>();

  Guest() {
    const auto vaddr = reinterpret_cast<uint64_t>(memory.data());
    domain->Map(kIova, vaddr, kPart, Domain::kRead | Domain::kWrite);
    domain->Map(kIova + kPart, vaddr + kPart, kPart, Domain::kRead);
  }
  void RequireUntouched() const {
    for (size_t i = kPart; i < memory.size(); i++) Require(memory[i] == kUntouched, "DMA changes what it may write");
  }
};

void RequireStatus(ssize_t result, size_t most) {
  Require(result <= static_cast<ssize_t>(most), "no more is moved than was asked for");
  Require(result >= -kMaxErrno, "an error is an errno");
}

void Read(ClientConnection& connection, uint32_t region, uint64_t offset, size_t count) {
  // Of the exact size, so that AddressSanitizer sees an access behind it.
  std::vector<uint8_t> data(count, kUntouched);
  const ssize_t result = connection.RegionRead(region, offset, data.data(), static_cast<uint32_t>(count));
  RequireStatus(result, count);
  for (size_t i = result < 0 ? 0 : static_cast<size_t>(result); i < count; i++) {
    Require(data[i] == kUntouched, "a read changes the bytes that it counts");
  }
}

void Write(ClientConnection& connection, uint32_t region, uint64_t offset, size_t count) {
  const std::vector<uint8_t> data(count, 1);
  RequireStatus(connection.RegionWrite(region, offset, data.data(), static_cast<uint32_t>(count)), count);
}

void Ask(ClientConnection& connection, uint16_t command, size_t count) {
  Reply reply;
  const int result = connection.Request(command, std::vector<uint8_t>(count), {}, reply);
  RequireStatus(result, 0);
  Require(result == 0 || (reply.payload.empty() && reply.fds.empty()), "an error has no reply");
}

void Operate(ClientConnection& connection, Input& input, const Guest& guest) {
  const uint8_t kind = input.U8();
  const uint8_t region = input.U8();
  const uint16_t count = input.U16();
  const uint32_t offset = input.U32();
  switch (kind % 8) {
    case 0:
    case 1:
    case 2:
      return Read(connection, region, offset, count % 4096);
    case 3:
    case 4:
      return Write(connection, region, offset, count % 4096);
    case 5:
      return Ask(connection, region, count % 4096);
    case 6:
      return connection.SetMaxTransfer(count);
    default:
      return connection.SetDomain(count % 2 == 0 ? guest.domain : nullptr);
  }
}

void Run(Input input) {
  NoDescriptorLeft check;
  int sockets[2];
  Require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0, "sockets can be made");
  Guest guest;
  const bool with_domain = input.U8() % 2 == 0;
  std::vector<uint8_t> operations = input.Bytes(kOperations * 8);
  ForgedServer server{UniqueFd(sockets[1]), input};
  std::thread thread([&server] { server.Serve(); });
  {
    ClientConnection connection{UniqueFd(sockets[0]), kTimeoutMs};
    if (with_domain) connection.SetDomain(guest.domain);
    Input left(operations.data(), operations.size());
    while (left.left() > 0) Operate(connection, left, guest);
    connection.Close();
    Require(!connection.alive(), "a closed connection is not alive");
    uint8_t byte;
    Require(connection.RegionRead(0, 0, &byte, 1) == -ENODEV, "a closed connection moves nothing");
  }
  thread.join();
  server.RequireAnswers();
  guest.RequireUntouched();
}

}  // namespace
}  // namespace fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Run(fuzz::Input(data, size));
  return 0;
}
