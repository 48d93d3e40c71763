// An open device of the software core's vfio-pci: a connection to the device whose config space, MSI-X table and memory
// decoding are as vfio-pci shows them. Every access of the user goes through it, on any thread.
// Source: drivers/vfio/pci/vfio_pci_rdwr.c (6.12), behaviour.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "vfio_pci/bar_mappings.h"
#include "vfio_pci/function_irqs.h"
#include "vfio_pci/virtual_config.h"
#include "vfio_user/connection.h"

namespace vfio_engine {

class PciFunction final : public Connection, private PhysicalFunction {
 public:
  // Reads config space. `bars` are the sizes of the BARs and the ROM. Throws SysError. Thread: any that may block.
  PciFunction(std::shared_ptr<Connection> device, size_t config_size, const std::vector<uint64_t>& bars,
              const IrqCounts& irqs);

  // As in connection.h. Besides, they return -EINVAL for an offset outside of a BAR; -EFAULT outside of config space;
  // -EIO for a memory BAR and -ENOMEM for the ROM while memory decoding is off; -ENODEV after Close.
  ssize_t RegionRead(uint32_t region_index, uint64_t offset, void* data, uint32_t count) override;
  ssize_t RegionWrite(uint32_t region_index, uint64_t offset, const void* data, uint32_t count) override;

  int Request(uint16_t command, const std::vector<uint8_t>& payload, const std::vector<int>& fds,
              Reply& reply) override;
  void SetDomain(std::shared_ptr<Domain> domain) override { device_->SetDomain(std::move(domain)); }
  void SetMaxTransfer(uint32_t bytes) override { device_->SetMaxTransfer(bytes); }
  bool alive() const override { return !closed_.load(std::memory_order_acquire) && device_->alive(); }
  int hangup_event() const override { return device_->hangup_event(); }
  // Ends all access by this user. The connection to the device stays open.
  void Close() override { closed_.store(true, std::memory_order_release); }

  // Performs VFIO_DEVICE_SET_IRQS; see function_irqs.h. Thread: any that may block.
  int SetIrqs(const IrqSet& set, const std::vector<uint8_t>& data);
  FunctionIrqs& irqs() { return irqs_; }
  // The user's mappings of BARs. Thread: any.
  BarMappings& mappings() { return mappings_; }
  // The BAR of the MSI-X table, -1 without one. Thread: any.
  int table_region() const { return table_region_; }

 private:
  // A part of an access to a BAR: at most up to the MSI-X table, or inside it.
  struct Piece {
    uint32_t count;
    bool is_table;
  };

  static std::vector<uint8_t> ReadWhole(Connection& device, size_t size);
  ssize_t CheckBar(uint32_t region_index, uint64_t offset, uint32_t count) const;
  Piece PieceAt(uint32_t region_index, uint64_t offset, uint32_t count) const;
  template <class Move>
  ssize_t MoveBar(uint32_t region_index, uint64_t offset, uint32_t count, Move move);

  int ReadConfig(size_t at, size_t width, uint32_t* value) override;
  int WriteConfig(size_t at, size_t width, uint32_t value) override;
  void Reset() override;
  void DecodeMemory(bool on) override { mappings_.SetDecoding(on); }
  void DisableIntx(bool disabled) override;
  bool msi_enabled() const override { return irqs_.active() == VFIO_PCI_MSI_IRQ_INDEX; }
  unsigned msi_order() const override { return irqs_.msi_order(); }

  const std::shared_ptr<Connection> device_;
  FunctionIrqs irqs_;
  BarMappings mappings_;
  VirtualConfig config_;
  int table_region_ = -1;
  uint64_t table_start_ = 0;
  uint64_t table_end_ = 0;
  std::atomic<bool> closed_{false};
};

}  // namespace vfio_engine
