// The table of device memory that the process's SIGBUS handler answers for. Any other SIGBUS goes to the handler that
// was there before. A library that installs its own later, and does not call ours, takes this away.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vfio_engine {

class Revocable;

// Calls `memory->OnFault` for faults in [start, start + length), whole pages; installs the handler with the first.
// Throws SysError. Thread: any.
void WatchFaults(uint8_t* start, size_t length, Revocable* memory);
// Ends it, before the range is unmapped. Thread: any.
void UnwatchFaults(const Revocable* memory);

}  // namespace vfio_engine
