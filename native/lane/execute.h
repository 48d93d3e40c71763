// Runs one operation on the calling thread: a worker's thread for a lane, or a JavaScript thread.
#pragma once

#include <cstdint>

#include "lane/last_buffer.h"
#include "lane/layout.h"

namespace vfio_engine {

// The operation used up its slice of time and is not done: call again with the same slot.
constexpr int kAgain = 1;

// Runs the operation of a slot, for a slice of time if it is a poll, a copy or a program. Sets `slot.value` of a read.
// Returns 0, a negative errno or kAgain. With kAgain the slot says what is left; if the region is closed before the
// next call, the rest ends with EBADF. It uses what `reach` names: EACCES for a number that names nothing and never
// did. `slot` is the caller's private copy: no other thread may write it. Thread: any that is not inside a ReadSection.
int Execute(Slot& slot, Reach& reach);

// Like Execute, for one step of a program. A step is no program itself. `last` has the reach, and saves the lookup of a
// buffer that the step before used.
int ExecuteSlice(Slot& slot, LastBuffer& last);

// Returns CLOCK_MONOTONIC in microseconds. Thread: any.
uint64_t NowUs();

}  // namespace vfio_engine
