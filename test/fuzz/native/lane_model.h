// What the operations of a lane must do, on plain memory: an oracle for native/lane. It has no threads, no slices of
// time and no mappings. `Step` is one operation; a program is a list of them.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "lane/layout.h"

namespace fuzz {

using vfio_engine::Op;
using vfio_engine::Slot;

// Deadlines in microseconds since the machine started: passed before every run, and not passed for years.
constexpr uint64_t kLongAgo = 1000000;
constexpr uint64_t kNever = uint64_t{1} << 50;

struct ModelRegion {
  uint32_t number = 0;
  uint64_t size = 0;
  bool readable = true;
  bool writable = true;
  // The error of each transfer, for a region over a file that has no offsets.
  int transfer_error = 0;
  // What the region's file holds. Reads behind its end are short.
  std::vector<uint8_t> bytes;
};

struct ModelBuffer {
  uint64_t number = 0;
  std::vector<uint8_t> bytes;
};

struct Model {
  std::vector<ModelRegion> regions;
  std::vector<ModelBuffer> buffers;
  // The number of a region that was given and is closed.
  uint32_t closed_region = 0;

  // A deadline was between kLongAgo and kNever: the clock decides what happens.
  bool unknown = false;

  // The status of an operation that waits until it is cancelled.
  static constexpr int kWaits = 1;
  // Runs an operation that is no program. Changes `slot.value` as an answer does.
  int Step(Slot& slot);
  // Runs an operation of a lane: one step or a program.
  int Run(Slot& slot);

 private:
  int Program(const Slot& slot);
  int RunStep(Slot& slot, uint64_t copied);
  int Copy(ModelRegion& region, const Slot& slot);
  int Check(const ModelRegion& region, const Slot& slot, uint64_t length, bool allowed) const;
  int Read(const ModelRegion& region, uint64_t offset, uint32_t width, uint64_t* value) const;
  int Write(ModelRegion& region, uint64_t offset, uint32_t width, uint64_t value);
  ModelBuffer* BufferOf(uint64_t number);
};

}  // namespace fuzz
