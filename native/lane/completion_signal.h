// Where a lane tells its producer's event loop that operations were completed.
#pragma once

namespace vfio_engine {

class CompletionSignal {
 public:
  virtual ~CompletionSignal() = default;
  // Thread: any.
  virtual void Signal() = 0;
};

}  // namespace vfio_engine
