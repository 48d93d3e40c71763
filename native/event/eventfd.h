// File descriptors and eventfds.
#pragma once

#include <cstdint>

#include "common/unique_fd.h"

namespace vfio_engine {

// Closes a descriptor, which the caller owned. Throws SysError(EBADF). Thread: any; the release of some files blocks.
void CloseFd(int fd);

// Tells whether a descriptor is an eventfd, also without /proc. Throws SysError if descriptors run out. Thread: any.
bool IsEventfd(int fd);

// Checks that a descriptor is an eventfd. Throws SysError: EBADF, or EINVAL for any other file. Thread: any.
void RequireEventfd(int fd, const char* call);

// Adds to the count of an eventfd. Throws SysError: EAGAIN if the count would pass 2^64 - 2. Thread: any.
void EventfdAdd(int fd, uint64_t value);

// Returns the count and sets it to 0. Does not wait. Throws SysError. Thread: any.
uint64_t EventfdTake(int fd);

// Waits for a count above 0, returns it and sets it to 0. Returns 0 if the time passed. Spins for `spin_us` of the time
// before it sleeps. Throws SysError. Thread: any that may block.
uint64_t EventfdWait(int fd, double timeout_ms, double spin_us);

}  // namespace vfio_engine
