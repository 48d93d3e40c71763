// Runs one operation, on any thread: a worker's on behalf of a lane, or the caller's own.
#pragma once

#include <cstdint>

#include "lane/dma_buffer.h"
#include "lane/layout.h"

namespace vfio_engine {

// `slot` is the caller's private copy: nobody else may write it. Sets `slot.value` for reads. Returns 0, a negative
// errno, or kAgain for a poll whose value has not come yet and a program that is not done yet.
constexpr int kAgain = 1;
int Execute(Slot& slot);
// The same for one step of a program, which is no program itself: a buffer that the step before used need not be looked
// up again.
int Execute(Slot& slot, LastBuffer& last);

// CLOCK_MONOTONIC in microseconds.
uint64_t NowUs();

}  // namespace vfio_engine
