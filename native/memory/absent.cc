#include "memory/absent.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <vector>

#include "common/sys_error.h"
#include "common/unique_fd.h"

namespace vfio_engine {
namespace {

// Read by a signal handler: plain numbers, set once before the first range is watched. Only the file of ones can be
// replaced, by a larger one; the old one stays open. All descriptors stay open for the life of the process.
struct Source {
  uintptr_t page_size = 0;
  // -1 if the kernel does not grant one.
  int userfaultfd = -1;
  // A page of 0xFF, which the userfaultfd copies from.
  const uint8_t* ones_page = nullptr;
  // A file that ends at `hollow_end`. Nothing is ever written to it: see PlaceAbsent.
  int hollow_fd = -1;
  // An empty file.
  int empty_fd = -1;
  // A file of `ones_size` bytes of 0xFF, which FillPiece maps.
  std::atomic<int> ones_fd{-1};
  std::atomic<size_t> ones_size{0};
};
Source source;

// A spin lock, because a signal handler takes it too. Its holders make three system calls.
std::atomic<bool> placing{false};
off_t hollow_end = 0;

// The most mappings that a range takes without a userfaultfd.
constexpr size_t kMostPieces = 1024;
constexpr size_t kLeastPiece = size_t{2} << 20;

class PlacingLock {
 public:
  PlacingLock() {
    while (placing.exchange(true, std::memory_order_acquire)) sched_yield();
  }
  ~PlacingLock() { placing.store(false, std::memory_order_release); }
};

int OpenUserfaultfd() {
  // Only faults of user space are answered. A fault inside a system call, such as a read(2) into such memory, ends with
  // EFAULT.
  auto fd = static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY));
  if (fd < 0) return -1;
  UniqueFd own(fd);
  uffdio_api api = {UFFD_API, UFFD_FEATURE_SIGBUS | UFFD_FEATURE_MISSING_SHMEM, 0};
  if (ioctl(own.get(), UFFDIO_API, &api) < 0) return -1;
  return own.Release();
}

const uint8_t* MakeOnesPage(size_t page_size) {
  void* page = mmap(nullptr, page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) throw SysError(errno, "mmap");
  std::fill_n(static_cast<uint8_t*>(page), page_size, uint8_t{0xFF});
  mprotect(page, page_size, PROT_READ);
  return static_cast<uint8_t*>(page);
}

UniqueFd MakeOnesFile(size_t size) {
  UniqueFd fd(Check(memfd_create("vfio-engine-ones", MFD_CLOEXEC | MFD_ALLOW_SEALING), "memfd_create"));
  const std::vector<uint8_t> ones(kLeastPiece, 0xFF);
  for (size_t done = 0; done < size;) {
    ssize_t written = pwrite(fd.get(), ones.data(), std::min(ones.size(), size - done), static_cast<off_t>(done));
    int error_number = errno;
    if (written < 0 && error_number == EINTR) continue;
    if (written < 0) throw SysError(error_number, "pwrite");
    done += static_cast<size_t>(written);
  }
  // Sealed, so that its content cannot change.
  constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
  Check(fcntl(fd.get(), F_ADD_SEALS, kSeals), "fcntl(F_ADD_SEALS)");
  return fd;
}

size_t PieceOf(size_t length) {
  size_t piece = (length + kMostPieces - 1) / kMostPieces;
  return std::max(kLeastPiece, (piece + kLeastPiece - 1) / kLeastPiece * kLeastPiece);
}

bool RegisterMissing(void* start, size_t length) {
  uffdio_register range = {};
  range.range = {reinterpret_cast<uintptr_t>(start), length};
  range.mode = UFFDIO_REGISTER_MODE_MISSING;
  return ioctl(source.userfaultfd, UFFDIO_REGISTER, &range) == 0;
}

bool MapHollow(int fd, off_t offset, void* start, size_t length, int prot) {
  constexpr int kFlags = MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE;
  return mmap(start, length, prot, kFlags, fd, offset) != MAP_FAILED;
}

int MakeFile(const char* name) { return Check(memfd_create(name, MFD_CLOEXEC), "memfd_create"); }

}  // namespace

void PrepareAbsent(size_t length) {
  static std::mutex mutex;
  std::lock_guard<std::mutex> lock(mutex);
  if (source.empty_fd < 0) {
    source.page_size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    if (source.ones_page == nullptr) source.ones_page = MakeOnesPage(source.page_size);
    if (source.userfaultfd < 0) source.userfaultfd = OpenUserfaultfd();
    if (source.hollow_fd < 0) source.hollow_fd = MakeFile("vfio-engine-hollow");
    source.empty_fd = MakeFile("vfio-engine-empty");
  }
  const size_t piece = source.userfaultfd >= 0 ? kLeastPiece : PieceOf(length);
  if (source.ones_size.load() >= piece) return;
  // A smaller file stays open: a handler may be using it.
  source.ones_fd.store(MakeOnesFile(piece).Release());
  source.ones_size.store(piece, std::memory_order_release);
}

// No thread can read zeroes at any time: the range is mapped behind the end of the file, where every access raises
// SIGBUS, then registered with the userfaultfd, and only then does the file grow over it. The file stays without data,
// because pages that are filled are private memory.
bool PlaceAbsent(void* start, size_t length, int prot) {
  PlacingLock lock;
  if (source.userfaultfd >= 0 && MapHollow(source.hollow_fd, hollow_end, start, length, prot)) {
    auto size = static_cast<off_t>(length);
    if (RegisterMissing(start, length) && ftruncate(source.hollow_fd, hollow_end + size) == 0) {
      hollow_end += size;
      return true;
    }
  }
  return MapHollow(source.empty_fd, 0, start, length, prot);
}

bool PlaceFaulting(void* start, size_t length, int prot) {
  return mmap(start, length, prot, MAP_SHARED | MAP_FIXED, source.empty_fd, 0) != MAP_FAILED;
}

bool FillPage(uintptr_t address) {
  if (source.userfaultfd < 0) return false;
  uffdio_copy copy = {};
  copy.dst = address & ~(source.page_size - 1);
  copy.src = reinterpret_cast<uintptr_t>(source.ones_page);
  copy.len = source.page_size;
  // EEXIST: another thread was faster. EAGAIN: the address space is changing, so the access is repeated.
  return ioctl(source.userfaultfd, UFFDIO_COPY, &copy) == 0 || errno == EEXIST || errno == EAGAIN;
}

bool FillPiece(uintptr_t address, uintptr_t start, size_t length, int prot) {
  const size_t piece = source.ones_size.load(std::memory_order_acquire);
  const size_t first = (address - start) / piece * piece;
  void* target = reinterpret_cast<void*>(start + first);
  constexpr int kFlags = MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE;
  return mmap(target, std::min(piece, length - first), prot, kFlags, source.ones_fd.load(), 0) != MAP_FAILED;
}

}  // namespace vfio_engine
