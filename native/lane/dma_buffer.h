// Buffers of JavaScript's that workers copy to and from by handle; registered ones stay alive.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "common/handle_table.h"

namespace vfio_engine {

struct DmaBuffer {
  uint8_t* data;
  size_t length;
  // What keeps the memory: V8's backing store, which has no other name outside of V8's headers.
  std::shared_ptr<void> owner;
};

HandleTable<DmaBuffer>& DmaBuffers();

}  // namespace vfio_engine
