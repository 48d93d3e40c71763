// Programs: slots that are run in order until one fails.
#pragma once

#include "lane/layout.h"

namespace vfio_engine {

// Runs some steps of the program that a lane's slot names: so many that other lanes get their turn. `slot` is a private
// copy; its value is the step to go on with, its mask how many bytes of it a copy has copied. Returns 0, the failed
// step's negative errno, EBADF (buffer), ERANGE and EINVAL (what of it), or kAgain. Thread: a worker's.
int ExecuteProgram(Slot& slot);

}  // namespace vfio_engine
