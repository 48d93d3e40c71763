// Where in the process memory is put: at an aligned address, between guard pages.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vfio_engine {

// Shared memory with what was taken from the address space for it.
struct PlacedMemory {
  uint8_t* data;
  // All that has to be unmapped: the memory and its guards. The owner calls munmap(reserved, reserved_length).
  uint8_t* reserved;
  size_t reserved_length;
};

// Maps a file from its start on, or zeroed anonymous memory for a negative `fd`, for reading and writing. `length` is
// of whole pages of the file; `alignment` a power of two, 0 for a page. With `guards`, the page before and the page
// after end who touches them by SIGSEGV. The descriptor stays the caller's. Throws SysError("mmap"). Thread: any.
PlacedMemory PlaceMemory(int fd, size_t length, size_t alignment, bool guards);

// mbind(2) with MPOL_BIND: the pages are taken from this NUMA node alone. Before anything touches them. Throws
// SysError("mbind"): ENOSYS on a kernel without NUMA, EINVAL for a node that is not there. Thread: any.
void BindToNode(void* data, size_t length, uint32_t node);

// madvise(2) with MADV_POPULATE_WRITE: takes all pages now. Throws SysError: EOPNOTSUPP before Linux 5.14, ENOMEM or
// EFAULT where there are none left. Takes time in proportion. Thread: any.
void Populate(void* data, size_t length);

// madvise(2) with MADV_REMOVE: gives whole pages of shared memory back; they read as zeroes. Throws SysError. Thread:
// any.
void Discard(void* data, size_t length);

}  // namespace vfio_engine
