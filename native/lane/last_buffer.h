// Saves the lookup of a buffer that is used several times in a row.
#pragma once

#include "lane/reach.h"

namespace vfio_engine {

// Remembers the buffer that was used last and keeps it alive. Thread: the one that made it.
class LastBuffer {
 public:
  // `reach` must live as long as the object.
  explicit LastBuffer(Reach& reach) : reach_(reach) {}

  // Returns a buffer of the reach, null if `number` names none. It is valid until the next Find.
  const DmaBuffer* Find(uint64_t number) {
    used_ = true;
    if (buffer_ == nullptr || number != number_) {
      buffer_ = reach_.BufferOf(number);
      number_ = number;
    }
    return buffer_.get();
  }

  // Tells whether Find was called since the last TakeUsed.
  bool TakeUsed() {
    bool used = used_;
    used_ = false;
    return used;
  }

  Reach& reach() const { return reach_; }

 private:
  Reach& reach_;
  bool used_ = false;
  uint64_t number_ = 0;
  std::shared_ptr<DmaBuffer> buffer_;
};

}  // namespace vfio_engine
