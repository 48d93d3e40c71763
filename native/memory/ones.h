// Memory that reads as 0xFF, as an absent PCIe device does.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vfio_engine {

// What one call can map at once.
constexpr size_t kOnesSize = 2u << 20;

// Makes the process's one source of such memory, once. Throws SysError. Thread: any.
void PrepareOnes();

// Maps private memory of 0xFF over [start, start + length), length at most kOnesSize and whole pages. Returns whether
// it could. Needs PrepareOnes. Async-signal-safe: one system call; changes errno. Thread: any.
bool MapOnesOver(void* start, size_t length, int prot);

// Replaces all of a range, of any length in whole pages. Where memory of 0xFF cannot be had (the limit of mappings is
// reached), zeroes stand there: the old file is let go in any case. Thread: any.
void ReplaceWithOnes(uint8_t* start, size_t length, int prot);

}  // namespace vfio_engine
