// Runs one operation, on any thread: a worker's on behalf of a lane, or the caller's own.
#pragma once

#include <cstdint>

#include "lane/dma_buffer.h"
#include "lane/layout.h"

namespace vfio_engine {

// `slot` is the caller's private copy: nobody else may write it. Sets `slot.value` for reads. Returns 0, a negative
// errno, or kAgain when it took its slice of time: a poll whose value has not come yet, a copy or a program that is not
// done yet. It goes on when it is called again with the same copy, which says what is left. What is left of a copy
// whose region is closed meanwhile ends with EBADF.
constexpr int kAgain = 1;
int Execute(Slot& slot);
// The same for one step of a program, which is no program itself: a buffer that the step before used need not be looked
// up again.
int ExecuteSlice(Slot& slot, LastBuffer& last);

// CLOCK_MONOTONIC in microseconds.
uint64_t NowUs();

}  // namespace vfio_engine
