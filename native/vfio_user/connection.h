// The client's end of a vfio-user socket, usable by every thread of the process at once.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "common/handle_table.h"
#include "common/unique_fd.h"
#include "vfio_user/domain.h"

namespace vfio_engine {

// What came back on a command; the descriptors are the holder's.
struct Reply {
  std::vector<uint8_t> payload;
  std::vector<UniqueFd> fds;
};

class Connection {
 public:
  virtual ~Connection() = default;
  // REGION_READ and REGION_WRITE. Block until the reply or the connection's time-out. Return the count of bytes the
  // server moved, or a negative errno: the server's own, -ETIMEDOUT, -EPROTO when the reply is not one to what was
  // asked, or -ENODEV when the peer is gone or the stream cannot be understood any more.
  // Thread: any but a JavaScript main thread that must not block.
  virtual ssize_t RegionRead(uint32_t region_index, uint64_t offset, void* data, uint32_t count) = 0;
  virtual ssize_t RegionWrite(uint32_t region_index, uint64_t offset, const void* data, uint32_t count) = 0;

  // Any command of the client's. Returns 0 or a negative errno as above. The descriptors stay the caller's.
  virtual int Request(uint16_t command, const std::vector<uint8_t>& payload, const std::vector<int>& fds,
                      Reply& reply) = 0;
  // The server's DMA goes to this domain from now on; null: it faults. Waits for an access under way.
  virtual void SetDomain(std::shared_ptr<Domain> domain) = 0;
  // Region transfers over this many bytes are cut into several messages. At most wire::kMaxTransfer.
  virtual void SetMaxTransfer(uint32_t bytes) = 0;
  virtual bool alive() const = 0;
  // Counts when the peer is gone. The connection's own.
  virtual int hangup_event() const = 0;
  // Fails what waits with -ENODEV and joins the thread. Others may be inside; the socket closes with the last holder.
  virtual void Close() = 0;
};

HandleTable<Connection>& Connections();

// Takes the socket. Throws SysError. `timeout_ms` is above 0.
std::shared_ptr<Connection> OpenConnection(UniqueFd socket, int timeout_ms);

}  // namespace vfio_engine
