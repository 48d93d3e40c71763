#include "memory/ones.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <vector>

#include "common/error.h"
#include "common/unique_fd.h"

namespace vfio_engine {
namespace {

// A plain int, so that a signal handler may read it. Open for the life of the process.
int ones_fd = -1;

UniqueFd MakeOnes() {
  UniqueFd fd(Check(memfd_create("vfio-engine-ones", MFD_CLOEXEC | MFD_ALLOW_SEALING), "memfd_create"));
  const std::vector<uint8_t> ones(kOnesSize, 0xFF);
  size_t done = 0;
  while (done < kOnesSize) {
    ssize_t written = pwrite(fd.get(), ones.data() + done, kOnesSize - done, static_cast<off_t>(done));
    if (written < 0) {
      int error_number = errno;
      if (error_number == EINTR) continue;
      throw SysError(error_number, "pwrite");
    }
    done += static_cast<size_t>(written);
  }
  // Sealed: nobody who finds the descriptor can make it read as anything else.
  constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
  Check(fcntl(fd.get(), F_ADD_SEALS, kSeals), "fcntl(F_ADD_SEALS)");
  return fd;
}

bool MapChunksOver(uint8_t* start, size_t length, int prot) {
  for (size_t done = 0; done < length; done += kOnesSize) {
    if (!MapOnesOver(start + done, std::min(kOnesSize, length - done), prot)) return false;
  }
  return true;
}

}  // namespace

void PrepareOnes() {
  static std::mutex mutex;
  std::lock_guard<std::mutex> lock(mutex);
  if (ones_fd < 0) ones_fd = MakeOnes().Release();
}

bool MapOnesOver(void* start, size_t length, int prot) {
  return mmap(start, length, prot, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, ones_fd, 0) != MAP_FAILED;
}

void ReplaceWithOnes(uint8_t* start, size_t length, int prot) {
  if (MapChunksOver(start, length, prot)) return;
  // Either the limit of mappings is reached, or the file has huge pages larger than a chunk, which are only replaced
  // whole. One anonymous mapping settles both; in the second case the chunks fit over it.
  constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
  if (mmap(start, length, prot, kFlags, -1, 0) != MAP_FAILED) MapChunksOver(start, length, prot);
}

}  // namespace vfio_engine
