import {
  VFIO_PCI_ERR_IRQ_INDEX,
  VFIO_PCI_INTX_IRQ_INDEX,
  VFIO_PCI_MSI_IRQ_INDEX,
  VFIO_PCI_MSIX_IRQ_INDEX,
  VFIO_PCI_REQ_IRQ_INDEX,
} from '../uapi/vfio.js';

/** What the interrupts of a PCI device are called. */
export type IrqName = 'intx' | 'msi' | 'msix' | 'err' | 'req';

/** Their indexes. Source: linux/vfio.h, VFIO_PCI_*_IRQ_INDEX */
export const irqIndexByName: Readonly<Record<IrqName, number>> = {
  intx: VFIO_PCI_INTX_IRQ_INDEX,
  msi: VFIO_PCI_MSI_IRQ_INDEX,
  msix: VFIO_PCI_MSIX_IRQ_INDEX,
  err: VFIO_PCI_ERR_IRQ_INDEX,
  req: VFIO_PCI_REQ_IRQ_INDEX,
};
