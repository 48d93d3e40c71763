// Memory that devices may have pinned, and memory that is being given back: of all address spaces of the process,
// whatever thread they are of, since a device goes on with the old pages whoever gives them back.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>

namespace vfio_engine {

// How many devices reach an address space. Guarded by the table's mutex.
struct PinSpace {
  uint32_t devices = 0;
  // Those among them that pin what they are told to use, and not all that is mapped.
  uint32_t mediated = 0;
};

struct PinRange {
  uint64_t start;
  uint64_t end;
  bool Overlaps(const PinRange& other) const { return start < other.end && other.start < end; }
};

// Who is in the way of giving memory back.
struct PinHolders {
  uint32_t devices = 0;
  uint32_t mediated = 0;
};

// Thread: any.
class PinTable {
 public:
  static PinTable& Get();

  void Count(PinSpace& space, uint32_t devices, uint32_t mediated);
  // Returns an id, or 0 while some of the range is being given back.
  uint64_t Add(std::shared_ptr<PinSpace> space, PinRange range);
  void Remove(uint64_t id);
  // Whether something that the space maps is being given back.
  bool IsGivingBack(const PinSpace& space);

  // Returns an id, or 0 and who has it pinned. `vouched`: the mediated devices have pinned none of it.
  uint64_t BeginGivingBack(PinRange range, bool vouched, PinHolders* holders);
  void EndGivingBack(uint64_t id);

 private:
  struct Pin {
    std::shared_ptr<PinSpace> space;
    PinRange range;
  };

  std::mutex mutex_;
  uint64_t last_id_ = 0;
  std::unordered_map<uint64_t, Pin> pins_;
  std::unordered_map<uint64_t, PinRange> given_back_;
};

}  // namespace vfio_engine
