// The SIGBUS handler of the process and its table of device memory. Any other SIGBUS goes to the handler that was
// installed before. If a library later installs a handler that does not call this one, faults on device memory end the
// process.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vfio_engine {

class Revocable;

// Makes the handler call `memory->OnFault` for faults in [start, start + length), whole pages. The first call installs
// the handler. `memory` must live until UnwatchFaults. Throws SysError. Thread: any.
void WatchFaults(uint8_t* start, size_t length, Revocable* memory);
// Ends that. Call it before the range is unmapped. Thread: any.
void UnwatchFaults(const Revocable* memory);

}  // namespace vfio_engine
