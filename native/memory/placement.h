// Places memory at an aligned address of the process, between guard pages.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vfio_engine {

// Shared memory and the part of the address space that was reserved for it.
struct PlacedMemory {
  uint8_t* data;
  // The memory with its guard pages. The owner unmaps it: munmap(reserved, reserved_length).
  uint8_t* reserved;
  size_t reserved_length;
};

// Maps a file from its start, or zeroed anonymous memory if `fd` is negative, for reading and writing. `length` is a
// multiple of the file's page size. `alignment` is a power of two, or 0 for a page. With `guards`, an access to the
// page before or after raises SIGSEGV. `fd` stays the caller's. Throws SysError("mmap"). Thread: any.
PlacedMemory PlaceMemory(int fd, size_t length, size_t alignment, bool guards);

// Makes the kernel take the pages from one NUMA node only: mbind(2) with MPOL_BIND. Call it before the first access.
// Throws SysError("mbind"): ENOSYS on a kernel without NUMA, EINVAL if the node does not exist. Thread: any.
void BindToNode(void* data, size_t length, uint32_t node);

// Allocates all pages now: madvise(2) with MADV_POPULATE_WRITE. The time grows with the length. Throws SysError:
// EOPNOTSUPP before Linux 5.14, ENOMEM or EFAULT if no pages are left. Thread: any.
void Populate(void* data, size_t length);

// Returns whole pages of shared memory to the kernel: madvise(2) with MADV_REMOVE. They then read as zeroes. Throws
// SysError. Thread: any.
void Discard(void* data, size_t length);

}  // namespace vfio_engine
