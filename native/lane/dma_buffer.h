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

// The buffer that was used last. It stays alive as long as this does. Thread: its owner's.
class LastBuffer {
 public:
  // Null for a handle that is not open.
  const DmaBuffer* Find(uint32_t handle) {
    used_ = true;
    if (buffer_ == nullptr || handle != handle_) {
      buffer_ = DmaBuffers().Get(handle);
      handle_ = handle;
    }
    return buffer_.get();
  }

  // Whether one was looked for since this was asked last.
  bool TakeUsed() {
    bool used = used_;
    used_ = false;
    return used;
  }

 private:
  bool used_ = false;
  uint32_t handle_ = 0;
  std::shared_ptr<DmaBuffer> buffer_;
};

}  // namespace vfio_engine
