// Programs: slots that run in order until one fails.
#pragma once

#include "lane/layout.h"
#include "lane/reach.h"

namespace vfio_engine {

// Runs some steps of the program in the buffer that `slot` names in the lane's `reach`, then returns so that other
// lanes get their turn. The steps reach what the buffer's own reach names, or without one what the lane's names. `slot`
// is a private copy: its value is the next step, its mask counts the bytes that a copy step has copied. Returns 0, the
// failed step's negative errno, -EBADF or -EACCES (no such buffer), -ERANGE (outside the buffer), -EINVAL (not whole
// slots, or not aligned) or kAgain. Thread: a worker's.
int ExecuteProgram(Slot& slot, Reach& reach);

// Runs slots from `*ran` on until one fails or the call has used up its time. Returns whether the program has ended.
// The steps use what `reach` names. Thread: any that may block for as long as the steps wait.
bool RunForATurn(Slot* slots, uint32_t count, Reach& reach, uint32_t* ran);

}  // namespace vfio_engine
