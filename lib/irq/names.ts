import {
  VFIO_PCI_ERR_IRQ_INDEX,
  VFIO_PCI_INTX_IRQ_INDEX,
  VFIO_PCI_MSI_IRQ_INDEX,
  VFIO_PCI_MSIX_IRQ_INDEX,
  VFIO_PCI_REQ_IRQ_INDEX,
} from '../uapi/vfio.js';

/** The name of an interrupt of a PCI device. */
export type IrqName = 'intx' | 'msi' | 'msix' | 'err' | 'req';

/** The index of each interrupt. Source: linux/vfio.h, VFIO_PCI_*_IRQ_INDEX */
export const irqIndexByName: Readonly<Record<IrqName, number>> = {
  intx: VFIO_PCI_INTX_IRQ_INDEX,
  msi: VFIO_PCI_MSI_IRQ_INDEX,
  msix: VFIO_PCI_MSIX_IRQ_INDEX,
  err: VFIO_PCI_ERR_IRQ_INDEX,
  req: VFIO_PCI_REQ_IRQ_INDEX,
};

/** The names in the order of their indexes. */
export const IRQ_NAMES = Object.keys(irqIndexByName) as readonly IrqName[];
