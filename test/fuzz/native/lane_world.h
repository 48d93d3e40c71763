// The regions and buffers of all runs of the lane's target, and what they must hold.
#pragma once

#include <memory>
#include <vector>

#include "common/unique_fd.h"
#include "lane/dma_buffer.h"
#include "lane/reach.h"
#include "lane_model.h"

namespace fuzz {

// The memory of a region's file, seen from outside of the engine. Behind the region's bytes it is canary.
struct Backing {
  explicit Backing(size_t size);
  vfio_engine::UniqueFd file;
  uint8_t* bytes;
  size_t size;
};

// A buffer between two canaries.
struct Buffer {
  static constexpr size_t kBytes = 2048;
  static constexpr size_t kMargin = 64;
  Buffer();
  uint8_t* data() { return memory.data() + kMargin; }
  std::vector<uint8_t> memory;
  std::shared_ptr<vfio_engine::DmaBuffer> shared;
  uint64_t number = 0;
};

class World {
 public:
  World();
  World(const World&) = delete;

  // Gives all regions and buffers to a lane. Their numbers are the lane's.
  void GiveTo(vfio_engine::Reach& reach);
  // Gives all bytes the values of a run's start, in memory and in the model.
  void Reset(uint8_t seed);
  // Compares every byte of the regions and of the buffers with the model.
  bool Matches();
  // Requires that the bytes around them are untouched.
  void RequireCanaries();

  Model model;
  std::vector<Buffer> buffers;

 private:
  struct AreaAt {
    uint64_t offset;
    uint64_t size;
  };
  void Add(size_t file_size, uint64_t size, bool readable, bool writable, std::vector<AreaAt> areas);
  void AddPipe();

  std::vector<Backing> backings_;
  // The handles of the model's regions, and of a closed one.
  std::vector<uint64_t> handles_;
};

}  // namespace fuzz
