// Programs: slots that run in order until one fails.
#pragma once

#include "lane/layout.h"

namespace vfio_engine {

// Runs some steps of the program in the buffer that `slot` names, then returns so that other lanes get their turn.
// `slot` is a private copy: its value is the next step, its mask counts the bytes that a copy step has copied. Returns
// 0, the failed step's negative errno, -EBADF (the buffer is not open), -ERANGE (outside the buffer), -EINVAL (not
// whole slots, or not aligned) or kAgain. Thread: a worker's.
int ExecuteProgram(Slot& slot);

// Runs slots from `*ran` on until one fails or the call has used up its time. Returns whether the program has ended.
// Thread: any that may block for as long as the steps wait.
bool RunForATurn(Slot* slots, uint32_t count, uint32_t* ran);

}  // namespace vfio_engine
