// Copies between two places of this process by the kernel's hand, so that memory which somebody unmapped is an error
// and never a signal.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

namespace vfio_engine {

// Copies `length` bytes between `local` and the places in `remote`, which may be gone. Returns 0 or -EFAULT, with a
// prefix copied perhaps. Thread: any.
int CopyFromPlaces(void* local, const iovec* remote, size_t count, size_t length);
int CopyToPlaces(const void* local, const iovec* remote, size_t count, size_t length);

// Tells whether all of a place can be written now, and brings its pages in. Changes no byte.
bool ProbeWritable(const iovec& place);

}  // namespace vfio_engine
