// Memory in place of a device that does not answer. It reads as 0xFF, like an absent device on PCIe.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vfio_engine {

// Opens the descriptors that the functions below need, once for the process: a userfaultfd (since Linux 5.11 without
// privileges) and files. `length` is the longest range that will be replaced. Throws SysError. Thread: any.
void PrepareAbsent(size_t length);

// Replaces [start, start + length), whole pages, by one mapping without any present page. The first access to a page
// raises SIGBUS, whose handler calls FillPage or FillPiece. A thread reads the old memory or 0xFF and never anything
// else. Returns false and keeps the old memory if the kernel rejects the mapping. PrepareAbsent must have been called.
// Async-signal-safe; changes errno. Thread: any.
bool PlaceAbsent(void* start, size_t length, int prot);

// Replaces [start, start + length), whole pages, by a mapping of an empty file: every access raises SIGBUS. Returns
// false and keeps the old memory if the kernel rejects the mapping. PrepareAbsent must have been called. Thread: any.
bool PlaceFaulting(void* start, size_t length, int prot);

// Puts a page of 0xFF under an address of a range that PlaceAbsent made. Returns false if the range is gone or there is
// no userfaultfd. Async-signal-safe; changes errno. Thread: any.
bool FillPage(uintptr_t address);

// Without a userfaultfd: maps 0xFF over the piece of the range that holds the address. A piece is 2 MiB or 1/1,024 of
// the range, so that a range takes at most 1,024 mappings. The range must stay as PlaceAbsent made it during the call.
// Returns false if the kernel rejects the mapping. Async-signal-safe; changes errno. Thread: any.
bool FillPiece(uintptr_t address, uintptr_t start, size_t length, int prot);

}  // namespace vfio_engine
