// Connections to a vfio-user server: commands of many threads, DMA of the server, mappings that come and go, replies
// that come late or never, a peer that dies, and a close while threads are inside.
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "harness.h"
#include "vfio_user/connection.h"
#include "vfio_user/domain.h"
#include "vfio_user/message.h"

using namespace harness;
using namespace vfio_engine;

namespace {

constexpr int kTimeoutMs = 20;
constexpr uint64_t kIova = 0x10000;
constexpr size_t kMemory = 8192;

// Answers REGION_READ and REGION_WRITE of at most 256 bytes, and other commands without a payload.
class Server {
 public:
  Server(int socket, uint32_t seed) : socket_(socket), random_(seed) {}
  ~Server() { close(socket_); }

  // Serves until the client hangs up, or dies early.
  void Serve() {
    const uint32_t life = 50 + random_.Below(2000);
    for (uint32_t served = 0; served < life; served++) {
      wire::Header header;
      uint8_t payload[4096];
      if (!Receive(&header, sizeof(header)) || header.size > sizeof(payload)) return;
      if (!Receive(payload, header.size - sizeof(header))) return;
      if ((header.flags & wire::kTypeMask) == wire::kCommand && !Answer(header, payload)) return;
    }
  }

 private:
  bool Receive(void* bytes, size_t length) {
    return length == 0 || recv(socket_, bytes, length, MSG_WAITALL) == static_cast<ssize_t>(length);
  }
  bool Send(const void* bytes, size_t length) {
    return send(socket_, bytes, length, MSG_NOSIGNAL) == static_cast<ssize_t>(length);
  }
  bool Answer(wire::Header header, const uint8_t* payload) {
    const uint32_t luck = random_.Below(200);
    if (luck == 0) return true;               // never
    if (luck == 1) Sleep(kTimeoutMs * 1500);  // late
    if (luck < 20 && !SendDma()) return false;
    uint8_t reply[1024];
    size_t length = sizeof(header);
    if (header.command == wire::kRegionRead || header.command == wire::kRegionWrite) {
      wire::RegionAccess access;
      std::memcpy(&access, payload, sizeof(access));
      std::memcpy(reply + length, &access, sizeof(access));
      length += sizeof(access);
      if (header.command == wire::kRegionRead) {
        for (uint32_t i = 0; i < access.count; i++) reply[length++] = static_cast<uint8_t>(access.offset + i);
      }
    }
    header.flags = wire::kReply;
    header.size = static_cast<uint32_t>(length);
    std::memcpy(reply, &header, sizeof(header));
    return Send(reply, length);
  }
  bool SendDma() {
    uint8_t message[sizeof(wire::Header) + sizeof(wire::DmaAccess) + 64] = {};
    const bool write = random_.Below(2) == 0;
    const wire::DmaAccess access{kIova + random_.Below(kMemory), 64};
    const size_t length = sizeof(message) - (write ? 0 : 64);
    const wire::Header header{7, write ? wire::kDmaWrite : wire::kDmaRead, static_cast<uint32_t>(length), 0, 0};
    std::memcpy(message, &header, sizeof(header));
    std::memcpy(message + sizeof(header), &access, sizeof(access));
    return Send(message, length);
  }

  int socket_;
  Random random_;
};

bool IsStatus(ssize_t result, ssize_t whole) {
  // A transfer in pieces ends early where a piece fails.
  return (result >= 0 && result <= whole) || result == -ETIMEDOUT || result == -ENODEV;
}

void Operate(Connection& connection, Random& random) {
  uint8_t data[256];
  const uint32_t count = 1 + random.Below(sizeof(data));
  const uint32_t offset = random.Below(200);
  switch (random.Below(4)) {
    case 0: {
      Reply reply;
      Require(IsStatus(connection.Request(13, {}, {}, reply), 0), "a request ends with a status");
      return;
    }
    case 1:
      std::memset(data, 1, sizeof(data));
      Require(IsStatus(connection.RegionWrite(0, offset, data, count), count), "a write ends with a status");
      return;
    default:
      const ssize_t got = connection.RegionRead(0, offset, data, count);
      Require(IsStatus(got, count), "a read ends with a status");
      for (ssize_t i = 0; i < got; i++) {
        Require(data[i] == static_cast<uint8_t>(offset + i), "a read has the bytes of its own replies");
      }
  }
}

// One connection, from its opening to its close.
uint64_t LiveOnce(uint32_t seed) {
  int sockets[2];
  Require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0, "sockets can be made");
  auto domain = std::make_shared<Domain>();
  std::vector<uint8_t> memory(kMemory);
  std::thread server([socket = sockets[1], seed] { Server(socket, seed).Serve(); });
  std::shared_ptr<Connection> connection = OpenConnection(UniqueFd(sockets[0]), kTimeoutMs);
  std::atomic<uint64_t> operations{0};
  Crew crew;
  for (uint32_t i = 0; i < 4; i++) {
    crew.Add([&, random = Random(seed + i)]() mutable {
      Operate(*connection, random);
      operations.fetch_add(1, std::memory_order_relaxed);
    });
  }
  crew.Add([&, random = Random(seed + 9)]() mutable {
    const uint64_t vaddr = reinterpret_cast<uint64_t>(memory.data());
    domain->Map(kIova, vaddr, kMemory, Domain::kRead | Domain::kWrite);
    connection->SetDomain(random.Below(4) == 0 ? nullptr : domain);
    connection->SetMaxTransfer(1 + random.Below(300));
    Sleep(300);
    std::vector<Domain::Fault> faults;
    domain->TakeFaults(faults);
    domain->Unmap(kIova + random.Below(kMemory), 64);
    domain->Unmap(kIova, kMemory);
  });
  Random random(seed);
  for (uint32_t waited = 0; waited < 20 + random.Below(100) && connection->alive(); waited++) Sleep(1000);
  connection->Close();
  crew.Stop();
  server.join();
  return operations.load();
}

}  // namespace

uint64_t RunConnections(std::chrono::milliseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  uint64_t operations = 0;
  for (uint32_t seed = 1; std::chrono::steady_clock::now() < end; seed++) operations += LiveOnce(seed);
  return operations;
}
