// The client's end of a vfio-user socket, usable by every thread of the process at once.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>

#include "common/handle_table.h"

namespace vfio_engine {

class Connection {
 public:
  virtual ~Connection() = default;
  // REGION_READ and REGION_WRITE. Block until the reply or the connection's time-out. Return the count of bytes the
  // server moved, or a negative errno: the server's own, -ETIMEDOUT, or -ENODEV when the peer is gone or lied.
  // Thread: any but a JavaScript main thread that must not block.
  virtual ssize_t RegionRead(uint32_t region_index, uint64_t offset, void* data, uint32_t count) = 0;
  virtual ssize_t RegionWrite(uint32_t region_index, uint64_t offset, const void* data, uint32_t count) = 0;
};

HandleTable<Connection>& Connections();

}  // namespace vfio_engine
