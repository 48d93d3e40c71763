// Tells whoever runs operations that the next one may block: a transfer, a poll or a copy.
#pragma once

namespace vfio_engine {

class BlockHook {
 public:
  virtual void BeforeBlocking() = 0;

 protected:
  ~BlockHook() = default;
};

// This thread's; null where nobody wants to know.
extern __thread BlockHook* block_hook;

inline void TellBeforeBlocking() {
  if (block_hook != nullptr) block_hook->BeforeBlocking();
}

}  // namespace vfio_engine
