// The interrupts of an open device: the enabled index, the eventfd of each vector, and the checks of
// VFIO_DEVICE_SET_IRQS. Source: drivers/vfio/pci/vfio_pci_intrs.c (6.12), behaviour.
#pragma once

#include <linux/vfio.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "common/unique_fd.h"
#include "vfio_user/connection.h"

namespace vfio_engine {

// struct vfio_irq_set without its data.
struct IrqSet {
  uint32_t argsz;
  uint32_t flags;
  uint32_t index;
  uint32_t start;
  uint32_t count;
};
static_assert(sizeof(IrqSet) == offsetof(vfio_irq_set, data), "the kernel's structure");

// The interrupts that a device has.
struct IrqCounts {
  std::array<uint32_t, VFIO_PCI_NUM_IRQS> counts{};
  // Vectors of MSI-X can be added while it is enabled.
  bool dynamic_msix = false;
};

class FunctionIrqs {
 public:
  static constexpr int kNone = -1;

  FunctionIrqs(std::shared_ptr<Connection> device, const IrqCounts& available);

  // Performs VFIO_DEVICE_SET_IRQS. `data` is what follows the structure; `set.argsz` counts it. Returns 0 or a negative
  // errno, the device's too. `intx_disabled` tells whether config space disables INTx. Thread: any that may block.
  int Set(const IrqSet& set, const std::vector<uint8_t>& data, bool intx_disabled);
  // Unmasks INTx if it is enabled, whoever masked it. Thread: any that may block.
  void UnmaskIntx();
  // Signals the eventfd that asks the user for the device, if there is one. Thread: any.
  void SignalRequest();
  // Disables everything and closes the eventfds. Thread: any that may block.
  void Stop();

  // The enabled index, or kNone. Thread: any.
  int active() const { return active_.load(std::memory_order_acquire); }
  // The binary logarithm of how many vectors MSI got when it was enabled last, rounded up. Thread: any.
  unsigned msi_order() const { return msi_order_.load(std::memory_order_acquire); }

 private:
  bool IsValid(const IrqSet& set) const;
  int SetIntx(const IrqSet& set, const std::vector<uint8_t>& data, bool intx_disabled);
  int SetIntxMask(const IrqSet& set, const std::vector<uint8_t>& data, uint32_t action);
  int SetUnmaskEvent(int fd);
  int SetIntxTrigger(int fd);
  int SetMessages(const IrqSet& set, const std::vector<uint8_t>& data);
  int SetBlock(const IrqSet& set, const std::vector<uint8_t>& data);
  int SetVector(uint32_t index, uint32_t vector, int fd);
  int SetSingle(UniqueFd& event, const IrqSet& set, const std::vector<uint8_t>& data);
  int Enable(uint32_t index, uint32_t vectors);
  int Disable();
  void LoopBack(const IrqSet& set, const std::vector<uint8_t>& data) const;
  int Tell(uint32_t flags, uint32_t index, uint32_t start, uint32_t count, int fd = -1);

  const std::shared_ptr<Connection> device_;
  const IrqCounts available_;
  std::mutex mutex_;  // held while interrupts change: vfio_pci_core_device.igate
  std::atomic<int> active_{kNone};
  std::atomic<unsigned> msi_order_{0};
  // How many vectors the enabled index has. Those of dynamic MSI-X can be any.
  uint32_t allocated_ = 0;
  // Copies, because the user can close the originals.
  std::map<uint32_t, UniqueFd> triggers_;
  UniqueFd unmask_, error_, request_;
};

}  // namespace vfio_engine
