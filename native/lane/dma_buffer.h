// Memory of JavaScript that operations copy to and from, or that holds the slots of a program.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace vfio_engine {

class Reach;

struct DmaBuffer {
  uint8_t* data;
  size_t length;
  // Keeps the memory alive: V8's backing store, whose type only V8's headers have.
  std::shared_ptr<void> owner;
  // What the steps of a program in it can reach. Null if they reach what the lane reaches that runs them.
  std::shared_ptr<Reach> reach;
};

}  // namespace vfio_engine
