#include "vfio_user/domain.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/sys_error.h"
#include "vfio_user/self_copy.h"

namespace vfio_engine {
namespace {

constexpr uint64_t kLastAddress = ~uint64_t{0};

// A write within one page succeeds or fails as a whole. Only a write to several pages must be tried first.
bool SpansPages(const std::vector<iovec>& places) {
  static const uintptr_t page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  if (places.size() != 1) return true;
  uintptr_t start = reinterpret_cast<uintptr_t>(places[0].iov_base);
  return start / page != (start + places[0].iov_len - 1) / page;
}

}  // namespace

Domain::Domain() : fault_event_(Check(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")) {
  recent_.reserve(kMaxRecent);
}

int Domain::Map(uint64_t iova, uint64_t vaddr, uint64_t size, uint32_t access) {
  if (size == 0 || size - 1 > kLastAddress - iova || size - 1 > kLastAddress - vaddr) return -EINVAL;
  uint64_t last = iova + (size - 1);
  std::lock_guard<std::mutex> gate(gate_);
  std::unique_lock<std::shared_mutex> lock(mutex_);
  auto after = mappings_.upper_bound(last);
  if (after != mappings_.begin() && std::prev(after)->second.last >= iova) return -EEXIST;
  mappings_.emplace_hint(after, iova, Mapping{last, vaddr, access});
  return 0;
}

void Domain::Unmap(uint64_t iova, uint64_t size) {
  if (size == 0) return;
  uint64_t last = size - 1 > kLastAddress - iova ? kLastAddress : iova + (size - 1);
  std::lock_guard<std::mutex> gate(gate_);
  std::unique_lock<std::shared_mutex> lock(mutex_);
  auto it = mappings_.upper_bound(iova);
  if (it != mappings_.begin() && std::prev(it)->second.last >= iova) --it;
  while (it != mappings_.end() && it->first <= last) {
    const bool keeps_head = it->first < iova;
    Mapping& mapping = it->second;
    if (mapping.last > last) {
      Mapping tail{mapping.last, mapping.vaddr + (last + 1 - it->first), mapping.access};
      if (!keeps_head) return Move(it, last + 1, tail);
      // Before anything changes, because it can throw.
      mappings_.emplace(last + 1, tail);
    }
    if (!keeps_head) {
      it = mappings_.erase(it);
      continue;
    }
    mapping.last = iova - 1;
    ++it;
  }
}

void Domain::Move(Mappings::iterator from, uint64_t iova, const Mapping& mapping) {
  auto node = mappings_.extract(from);
  node.key() = iova;
  node.mapped() = mapping;
  mappings_.insert(std::move(node));
}

int Domain::Read(uint64_t iova, void* target, size_t size) { return Access(iova, target, size, false); }

int Domain::Write(uint64_t iova, const void* source, size_t size) {
  return Access(iova, const_cast<void*>(source), size, true);
}

int Domain::Access(uint64_t iova, void* bytes, size_t size, bool write) {
  if (size == 0) return 0;
  if (size - 1 > kLastAddress - iova) return RecordFault(iova, size, write);
  thread_local Places places;
  {
    std::unique_lock<std::mutex> gate(gate_);
    std::shared_lock<std::shared_mutex> lock(mutex_);
    gate.unlock();
    bool allowed = Locate(iova, iova + (size - 1), write ? kWrite : kRead, places);
    if (allowed && write && SpansPages(places)) {
      allowed = std::all_of(places.begin(), places.end(), ProbeWritable);
    }
    if (allowed) {
      int result = write ? CopyToPlaces(bytes, places.data(), places.size(), size)
                         : CopyFromPlaces(bytes, places.data(), places.size(), size);
      // Recorded under the lock, so that an unmap that waits for this access finds the pages dirty.
      if (result == 0 && write) dirty_.Record(iova, size);
      if (result == 0) return 0;
    }
  }
  return RecordFault(iova, size, write);
}

bool Domain::Locate(uint64_t iova, uint64_t last, uint32_t access, Places& places) const {
  places.clear();
  auto it = mappings_.upper_bound(iova);
  if (it == mappings_.begin()) return false;
  --it;
  for (uint64_t at = iova;; ++it) {
    if (it == mappings_.end() || it->first > at || it->second.last < at) return false;
    if ((it->second.access & access) != access) return false;
    uint64_t end = std::min(last, it->second.last);
    places.push_back({reinterpret_cast<void*>(it->second.vaddr + (at - it->first)), end - at + 1});
    if (end == last) return true;
    at = end + 1;
  }
}

int Domain::RecordFault(uint64_t iova, uint64_t size, bool write) {
  {
    std::lock_guard<std::mutex> lock(fault_mutex_);
    fault_count_++;
    if (recent_.size() == kMaxRecent) recent_.erase(recent_.begin());
    recent_.push_back({iova, size, write});
  }
  // Fails only if the count would pass 2^64 - 2. A reader is woken then too.
  eventfd_write(fault_event_.get(), 1);
  return -EFAULT;
}

uint64_t Domain::TakeFaults(std::vector<Fault>& recent) {
  // RecordFault has room without allocating.
  recent.clear();
  recent.reserve(kMaxRecent);
  std::lock_guard<std::mutex> lock(fault_mutex_);
  recent.swap(recent_);
  return fault_count_;
}

// Never destroyed: threads may still run while the process exits.
HandleTable<Domain>& Domains() {
  static auto* table = new HandleTable<Domain>();
  return *table;
}

}  // namespace vfio_engine
