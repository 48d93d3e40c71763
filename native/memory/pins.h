// The table of memory that devices may have pinned, and of memory that is being discarded (returned to the kernel). It
// covers all address spaces and threads of the process: a device keeps using the old pages whichever thread discards
// them.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>

namespace vfio_engine {

// How many devices are attached to an address space. The table's mutex guards it.
struct PinSpace {
  uint32_t devices = 0;
  // How many of them are mediated: they pin only the pages that they use.
  uint32_t mediated = 0;
};

struct PinRange {
  uint64_t start;
  uint64_t end;
  bool Overlaps(const PinRange& other) const { return start < other.end && other.start < end; }
};

// The devices that keep memory from being discarded.
struct PinHolders {
  uint32_t devices = 0;
  uint32_t mediated = 0;
};

// Thread: any.
class PinTable {
 public:
  static PinTable& Get();

  // Sets the counts of a space.
  void Count(PinSpace& space, uint32_t devices, uint32_t mediated);
  // Records that a space maps a range. Returns an id for Remove, or 0 while a part of the range is being discarded.
  uint64_t Add(std::shared_ptr<PinSpace> space, PinRange range);
  void Remove(uint64_t id);
  // Tells whether memory that the space maps is being discarded.
  bool IsDiscarding(const PinSpace& space);

  // Starts to discard a range. Returns an id for EndDiscard, or 0 and the devices that may have pinned it. `vouched`:
  // the caller knows that mediated devices have pinned none of it.
  uint64_t BeginDiscard(PinRange range, bool vouched, PinHolders* holders);
  void EndDiscard(uint64_t id);

 private:
  struct Pin {
    std::shared_ptr<PinSpace> space;
    PinRange range;
  };

  std::mutex mutex_;
  uint64_t last_id_ = 0;
  std::unordered_map<uint64_t, Pin> pins_;
  std::unordered_map<uint64_t, PinRange> discarded_;
};

}  // namespace vfio_engine
