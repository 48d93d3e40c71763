#include "vfio_pci/function_irqs.h"

#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

#include "common/sys_error.h"
#include "event/eventfd.h"
#include "vfio_user/message.h"

namespace vfio_engine {
namespace {

constexpr uint32_t kDataTypes = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_DATA_EVENTFD;
constexpr uint32_t kActions = VFIO_IRQ_SET_ACTION_MASK | VFIO_IRQ_SET_ACTION_UNMASK | VFIO_IRQ_SET_ACTION_TRIGGER;
constexpr uint32_t kOff = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
constexpr uint32_t kAssign = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;

bool Has(const IrqSet& set, uint32_t flag) { return (set.flags & flag) != 0; }

int FdAt(const std::vector<uint8_t>& data, size_t index) {
  int32_t fd = -1;
  std::memcpy(&fd, data.data() + index * sizeof(fd), sizeof(fd));
  return fd;
}

// Takes a copy of an eventfd. Returns 0, -EBADF, -EINVAL for another file, or the errno of fcntl.
int CopyOf(int fd, UniqueFd* copy) {
  try {
    RequireEventfd(fd, "SET_IRQS");
    *copy = UniqueFd(Check(::fcntl(fd, F_DUPFD_CLOEXEC, 0), "fcntl(F_DUPFD_CLOEXEC)"));
    return 0;
  } catch (const SysError& error) {
    return -error.error_number();
  }
}

// A full count is signalled already: the kernel does not wait for a reader either.
void Signal(const UniqueFd& event) {
  pollfd writable = {event.get(), POLLOUT, 0};
  if (::poll(&writable, 1, 0) == 1) EventfdAdd(event.get(), 1);
}

unsigned OrderOf(uint32_t vectors) {
  unsigned order = 0;
  while ((1u << order) < vectors) order++;
  return order;
}

}  // namespace

FunctionIrqs::FunctionIrqs(std::shared_ptr<Connection> device, const IrqCounts& available)
    : device_(std::move(device)), available_(available) {}

int FunctionIrqs::Set(const IrqSet& set, const std::vector<uint8_t>& data, bool intx_disabled) {
  if (!IsValid(set)) return -EINVAL;
  // The user's buffer is as long as argsz says.
  std::vector<uint8_t> padded = data;
  padded.resize(std::max(data.size(), set.count * sizeof(int32_t)));
  const uint32_t action = set.flags & kActions;
  std::lock_guard<std::mutex> lock(mutex_);
  if (set.index == VFIO_PCI_INTX_IRQ_INDEX) {
    if (action == VFIO_IRQ_SET_ACTION_TRIGGER) return SetIntx(set, padded, intx_disabled);
    return SetIntxMask(set, padded, action);
  }
  if (action != VFIO_IRQ_SET_ACTION_TRIGGER) return -ENOTTY;
  if (set.index == VFIO_PCI_ERR_IRQ_INDEX) return SetSingle(error_, set, padded);
  if (set.index == VFIO_PCI_REQ_IRQ_INDEX) return SetSingle(request_, set, padded);
  return SetMessages(set, padded);
}

// Source: vfio_set_irqs_validate_and_prepare
bool FunctionIrqs::IsValid(const IrqSet& set) const {
  constexpr uint32_t fixed = sizeof(IrqSet);
  if (set.argsz < fixed || set.index >= VFIO_PCI_NUM_IRQS || set.count >= UINT32_MAX - set.start) return false;
  if ((set.flags & ~(kDataTypes | kActions)) != 0) return false;
  const uint32_t available = available_.counts[set.index];
  if (set.start >= available || set.start + set.count > available) return false;
  switch (set.flags & kDataTypes) {
    case VFIO_IRQ_SET_DATA_NONE:
      return true;
    case VFIO_IRQ_SET_DATA_BOOL:
      return set.argsz - fixed >= set.count;
    case VFIO_IRQ_SET_DATA_EVENTFD:
      return set.argsz - fixed >= set.count * sizeof(int32_t);
    default:
      return false;
  }
}

// Source: vfio_pci_set_intx_trigger
int FunctionIrqs::SetIntx(const IrqSet& set, const std::vector<uint8_t>& data, bool intx_disabled) {
  const bool on = active() == VFIO_PCI_INTX_IRQ_INDEX;
  if (on && set.count == 0 && Has(set, VFIO_IRQ_SET_DATA_NONE)) return Disable();
  if ((active() != kNone && !on) || set.start != 0 || set.count != 1) return -EINVAL;
  if (Has(set, VFIO_IRQ_SET_DATA_EVENTFD)) return SetIntxTrigger(FdAt(data, 0));
  if (!on) return -EINVAL;
  if (!intx_disabled) LoopBack(set, data);
  return 0;
}

int FunctionIrqs::SetIntxTrigger(int fd) {
  UniqueFd copy;
  if (fd >= 0) {
    const int error = CopyOf(fd, &copy);
    if (error != 0) return error;
  }
  const int copied = copy.get();
  std::map<uint32_t, UniqueFd> triggers;
  if (fd >= 0) triggers.emplace(0, std::move(copy));
  const int error = Tell(kAssign, VFIO_PCI_INTX_IRQ_INDEX, 0, 1, copied);
  if (error != 0) return error;
  triggers_.swap(triggers);
  active_.store(VFIO_PCI_INTX_IRQ_INDEX, std::memory_order_release);
  return 0;
}

// Source: vfio_pci_set_intx_mask, vfio_pci_set_intx_unmask
int FunctionIrqs::SetIntxMask(const IrqSet& set, const std::vector<uint8_t>& data, uint32_t action) {
  if (action != VFIO_IRQ_SET_ACTION_MASK && action != VFIO_IRQ_SET_ACTION_UNMASK) return -ENOTTY;
  if (active() != VFIO_PCI_INTX_IRQ_INDEX || set.start != 0 || set.count != 1) return -EINVAL;
  if (Has(set, VFIO_IRQ_SET_DATA_EVENTFD)) {
    return action == VFIO_IRQ_SET_ACTION_MASK ? -ENOTTY : SetUnmaskEvent(FdAt(data, 0));
  }
  if (Has(set, VFIO_IRQ_SET_DATA_BOOL) && data[0] == 0) return 0;
  return Tell(VFIO_IRQ_SET_DATA_NONE | action, VFIO_PCI_INTX_IRQ_INDEX, 0, 1);
}

// Source: vfio_virqfd_enable
int FunctionIrqs::SetUnmaskEvent(int fd) {
  constexpr uint32_t flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK;
  UniqueFd copy;
  if (fd >= 0) {
    const int error = CopyOf(fd, &copy);
    if (error != 0) return error;
    if (unmask_) return -EBUSY;
  }
  const int error = Tell(flags, VFIO_PCI_INTX_IRQ_INDEX, 0, 1, copy.get());
  if (error == 0) unmask_ = std::move(copy);
  return error;
}

// Source: vfio_pci_set_msi_trigger
int FunctionIrqs::SetMessages(const IrqSet& set, const std::vector<uint8_t>& data) {
  const bool on = active() == static_cast<int>(set.index);
  if (on && set.count == 0 && Has(set, VFIO_IRQ_SET_DATA_NONE)) return Disable();
  if (active() != kNone && !on) return -EINVAL;
  if (Has(set, VFIO_IRQ_SET_DATA_EVENTFD)) {
    if (on) return SetBlock(set, data);
    int error = Enable(set.index, set.start + set.count);
    if (error != 0) return error;
    error = SetBlock(set, data);
    if (error != 0) Disable();
    return error;
  }
  if (!on) return -EINVAL;
  LoopBack(set, data);
  return 0;
}

// The kernel allocates vectors up to the highest one: 0 vectors are an error. Source: vfio_msi_enable
int FunctionIrqs::Enable(uint32_t index, uint32_t vectors) {
  if (vectors == 0) return -ERANGE;
  const int error = Tell(kAssign, index, 0, 1);
  if (error != 0) return error;
  allocated_ = vectors;
  if (index == VFIO_PCI_MSI_IRQ_INDEX) msi_order_.store(OrderOf(vectors), std::memory_order_release);
  active_.store(static_cast<int>(index), std::memory_order_release);
  return 0;
}

// If a vector fails, it and those before it lose their eventfds; those behind it keep them. Source: vfio_msi_set_block
int FunctionIrqs::SetBlock(const IrqSet& set, const std::vector<uint8_t>& data) {
  for (uint32_t i = 0; i < set.count; i++) {
    const int error = SetVector(set.index, set.start + i, FdAt(data, i));
    if (error == 0) continue;
    for (uint32_t undone = 0; undone <= i; undone++) SetVector(set.index, set.start + undone, -1);
    return error;
  }
  return 0;
}

// Source: vfio_msi_set_vector_signal
int FunctionIrqs::SetVector(uint32_t index, uint32_t vector, int fd) {
  const bool had = triggers_.erase(vector) != 0;
  int error = 0;
  UniqueFd copy;
  if (fd >= 0) {
    const bool exists = vector < allocated_ || (index == VFIO_PCI_MSIX_IRQ_INDEX && available_.dynamic_msix);
    error = exists ? CopyOf(fd, &copy) : -EINVAL;
  }
  if (fd < 0 || error != 0) {
    const int told = had ? Tell(kAssign, index, vector, 1) : 0;
    return error != 0 ? error : told;
  }
  const auto added = triggers_.emplace(vector, std::move(copy)).first;
  error = Tell(kAssign, index, vector, 1, added->second.get());
  if (error != 0) triggers_.erase(added);
  return error;
}

// Source: vfio_pci_set_ctx_trigger_single
int FunctionIrqs::SetSingle(UniqueFd& event, const IrqSet& set, const std::vector<uint8_t>& data) {
  if (Has(set, VFIO_IRQ_SET_DATA_NONE)) {
    if (!event) return -EINVAL;
    if (set.count > 0) {
      Signal(event);
    } else {
      event = UniqueFd();
    }
    return 0;
  }
  if (set.count == 0) return -EINVAL;
  if (Has(set, VFIO_IRQ_SET_DATA_BOOL)) {
    if (data[0] != 0 && event) Signal(event);
    return 0;
  }
  const int fd = FdAt(data, 0);
  if (fd < -1) return -EINVAL;
  UniqueFd copy;
  const int error = fd < 0 ? 0 : CopyOf(fd, &copy);
  if (error == 0) event = std::move(copy);
  return error;
}

void FunctionIrqs::LoopBack(const IrqSet& set, const std::vector<uint8_t>& data) const {
  for (uint32_t i = 0; i < set.count; i++) {
    const auto trigger = triggers_.find(set.start + i);
    if (trigger == triggers_.end()) continue;
    if (Has(set, VFIO_IRQ_SET_DATA_NONE) || data[i] != 0) Signal(trigger->second);
  }
}

int FunctionIrqs::Disable() {
  const int index = active();
  active_.store(kNone, std::memory_order_release);
  triggers_.clear();
  unmask_ = UniqueFd();
  allocated_ = 0;
  return Tell(kOff, static_cast<uint32_t>(index), 0, 0);
}

void FunctionIrqs::UnmaskIntx() {
  std::lock_guard<std::mutex> lock(mutex_);
  constexpr uint32_t flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK;
  if (active() == VFIO_PCI_INTX_IRQ_INDEX) Tell(flags, VFIO_PCI_INTX_IRQ_INDEX, 0, 1);
}

void FunctionIrqs::SignalRequest() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (request_) Signal(request_);
}

void FunctionIrqs::Stop() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (active() != kNone) Disable();
  error_ = UniqueFd();
  request_ = UniqueFd();
}

// Sends DEVICE_SET_IRQS. A message has descriptors for all of its vectors or for none, so each vector has its own.
int FunctionIrqs::Tell(uint32_t flags, uint32_t index, uint32_t start, uint32_t count, int fd) {
  const IrqSet set = {sizeof(set), flags, index, start, count};
  try {
    std::vector<uint8_t> payload(sizeof(set));
    std::memcpy(payload.data(), &set, sizeof(set));
    Reply reply;
    return device_->Request(wire::kDeviceSetIrqs, payload, fd >= 0 ? std::vector<int>{fd} : std::vector<int>{}, reply);
  } catch (const std::bad_alloc&) {
    // A lane's write to config space comes here too.
    return -ENOMEM;
  }
}

}  // namespace vfio_engine
