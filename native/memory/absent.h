// Memory that stands in for a device that does not answer: it reads as 0xFF, as PCIe does for an absent device.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vfio_engine {

// Opens what the calls below need, once for the process: a userfaultfd (an ordinary user gets one, too, from Linux 5.11
// on) and files. `length` is the longest range that will be replaced. Throws SysError. Thread: any.
void PrepareAbsent(size_t length);

// Replaces [start, start + length), whole pages, by one mapping in which no page is present: the first touch of a page
// raises SIGBUS, which FillPage or FillPiece answers. No thread ever reads anything but the old memory and 0xFF.
// Returns false and leaves the old memory when the kernel refuses. Needs PrepareAbsent. Async-signal-safe; changes
// errno. Thread: any.
bool PlaceAbsent(void* start, size_t length, int prot);

// Puts a page of 0xFF under an address of a range that PlaceAbsent made. Returns false when the range is gone, and
// where there is no userfaultfd. Async-signal-safe; changes errno. Thread: any.
bool FillPage(uintptr_t address);

// Without a userfaultfd: maps 0xFF over the part of the range that the address lies in, 1/1,024 of the range or 2 MiB,
// so that a range takes at most 1,024 mappings. The caller makes sure that the range stays what PlaceAbsent made of it.
// Returns false when the kernel refuses. Async-signal-safe; changes errno. Thread: any.
bool FillPiece(uintptr_t address, uintptr_t start, size_t length, int prot);

}  // namespace vfio_engine
