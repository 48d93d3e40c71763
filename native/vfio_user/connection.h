// The client's end of a vfio-user socket. All threads of the process can use it at the same time.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "common/handle_table.h"
#include "common/unique_fd.h"
#include "vfio_user/domain.h"

namespace vfio_engine {

// The reply to a command. It owns the descriptors.
struct Reply {
  std::vector<uint8_t> payload;
  std::vector<UniqueFd> fds;
};

class Connection {
 public:
  virtual ~Connection() = default;
  // REGION_READ and REGION_WRITE. Block until the reply or the connection's time-out. Return the count of bytes that
  // the server moved, or a negative errno: the server's own, -ETIMEDOUT, -EPROTO (the reply does not match the request)
  // or -ENODEV (the peer is gone, or the stream is invalid). `data` must be valid until they return. Thread: any that
  // may block.
  virtual ssize_t RegionRead(uint32_t region_index, uint64_t offset, void* data, uint32_t count) = 0;
  virtual ssize_t RegionWrite(uint32_t region_index, uint64_t offset, const void* data, uint32_t count) = 0;

  // Sends any other command and waits for its reply. Returns 0 or a negative errno as above. `fds` stay the caller's.
  // Thread: any that may block.
  virtual int Request(uint16_t command, const std::vector<uint8_t>& payload, const std::vector<int>& fds,
                      Reply& reply) = 0;
  // Sets the domain of the server's DMA; with null all of it faults. Waits for a current access. Thread: any.
  virtual void SetDomain(std::shared_ptr<Domain> domain) = 0;
  // Sets the largest region transfer of one message, at most wire::kMaxTransfer. Larger ones take several. Thread: any.
  virtual void SetMaxTransfer(uint32_t bytes) = 0;
  virtual bool alive() const = 0;
  // An eventfd that counts when the peer is gone. The connection owns it.
  virtual int hangup_event() const = 0;
  // Fails all waiting commands with -ENODEV and joins the background thread. Other threads may be inside: the last
  // owner of the connection closes the socket. Thread: any that may block.
  virtual void Close() = 0;
};

// The process's table of connections. Thread: any.
HandleTable<Connection>& Connections();

// Opens a connection on a connected socket, which it owns. `timeout_ms` is above 0. Throws SysError; the socket is then
// closed. Thread: any.
std::shared_ptr<Connection> OpenConnection(UniqueFd socket, int timeout_ms);

}  // namespace vfio_engine
