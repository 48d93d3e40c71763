// File descriptors and eventfds.
#pragma once

#include <cstdint>

#include "common/unique_fd.h"

namespace vfio_engine {

// Closes a descriptor that the process owns. Throws SysError(EBADF). Thread: any; may sleep in the file's release.
void CloseFd(int fd);

// Throws SysError: EBADF, EINVAL for a file that is no eventfd. Thread: any.
void RequireEventfd(int fd, const char* call);

// Adds to the count. Throws SysError: EAGAIN when the count would pass 2^64 - 2. Thread: any.
void EventfdAdd(int fd, uint64_t value);

// Takes the count without waiting; 0 when there was none. Throws SysError. Thread: any.
uint64_t EventfdTake(int fd);

// Waits for a count and takes it; 0 when the time passed. Looks for `spin_us` before it sleeps, within the time. Throws
// SysError. Thread: any that may block.
uint64_t EventfdWait(int fd, double timeout_ms, double spin_us);

}  // namespace vfio_engine
