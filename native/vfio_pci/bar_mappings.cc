#include "vfio_pci/bar_mappings.h"

#include <fcntl.h>

#include <algorithm>

#include "common/sys_error.h"

namespace vfio_engine {

void BarMappings::Add(const std::shared_ptr<Mapping>& mapping, int bar, int fd, off_t offset) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (files_.count(bar) == 0) {
    files_.emplace(bar, UniqueFd(Check(::fcntl(fd, F_DUPFD_CLOEXEC, 0), "fcntl(F_DUPFD_CLOEXEC)")));
  }
  auto gone = [&](const Entry& entry) { return entry.mapping.expired() || entry.mapping.lock() == mapping; };
  entries_.erase(std::remove_if(entries_.begin(), entries_.end(), gone), entries_.end());
  entries_.push_back({mapping, bar, offset});
  if (!decoding_) mapping->Suspend();
}

void BarMappings::SetDecoding(bool on) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (decoding_ == on) return;
  decoding_ = on;
  for (const Entry& entry : entries_) Apply(entry);
}

void BarMappings::Apply(const Entry& entry) {
  std::shared_ptr<Mapping> mapping = entry.mapping.lock();
  if (mapping == nullptr) return;
  try {
    if (decoding_) {
      mapping->Resume(files_.at(entry.bar).get(), entry.offset);
    } else {
      mapping->Suspend();
    }
  } catch (const SysError&) {
    // The write to the command register has happened. A mapping that stays suspended is revoked by its next access, and
    // then restored; one that stays mapped reads memory that a device would not answer for.
  }
}

}  // namespace vfio_engine
