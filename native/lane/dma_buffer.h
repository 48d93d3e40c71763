// JavaScript buffers that workers copy to and from. They are named by handles and stay alive while they are registered.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "common/handle_table.h"

namespace vfio_engine {

struct DmaBuffer {
  uint8_t* data;
  size_t length;
  // Keeps the memory alive: V8's backing store, whose type only V8's headers have.
  std::shared_ptr<void> owner;
};

// The process's table of buffers. Thread: any.
HandleTable<DmaBuffer>& DmaBuffers();

// Remembers the buffer that was used last and keeps it alive. Thread: the one that made it.
class LastBuffer {
 public:
  // Returns the buffer of a handle, null if the handle is not open. The buffer is valid until the next Find.
  const DmaBuffer* Find(uint32_t handle) {
    used_ = true;
    if (buffer_ == nullptr || handle != handle_) {
      buffer_ = DmaBuffers().Get(handle);
      handle_ = handle;
    }
    return buffer_.get();
  }

  // Tells whether Find was called since the last TakeUsed.
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
