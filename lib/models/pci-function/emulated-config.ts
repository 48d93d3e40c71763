import {
  PCI_COMMAND,
  PCI_COMMAND_INTX_DISABLE,
  PCI_COMMAND_IO,
  PCI_COMMAND_MASTER,
  PCI_COMMAND_MEMORY,
  PCI_EXP_DEVCTL,
  PCI_EXP_DEVCTL_BCR_FLR,
  PCI_MSI_FLAGS,
  PCI_MSI_FLAGS_ENABLE,
  PCI_MSI_FLAGS_QMASK,
  PCI_MSI_FLAGS_QSIZE,
  PCI_MSIX_FLAGS,
  PCI_MSIX_FLAGS_MASKALL,
  PCI_STATUS,
  PCI_STATUS_INTERRUPT,
} from '../../uapi/pci.js';
import type { ConfigImage } from './config-image.js';

/** What a write to config space can set off. */
export interface ConfigEffects {
  /** The command register or MSI-X' function mask changed. */
  changed(): void;
  /** A function-level reset was asked for. */
  functionReset(): void;
  /** Whether the client has MSI on. */
  msiOn(): boolean;
}

/** The config space of a running function. A reset leaves it as it is: vfio-pci saves and restores it around one. */
export class EmulatedConfig {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  /** The device's own enable bit of MSI: what config space shows is vfio-pci's copy. */
  msiSends = false;

  constructor(
    private readonly image: ConfigImage,
    private readonly effects: ConfigEffects,
  ) {
    this.#bytes = image.bytes.slice();
    this.#view = new DataView(this.#bytes.buffer);
  }

  get size(): number {
    return this.#bytes.length;
  }

  get memoryEnabled(): boolean {
    return (this.#command & PCI_COMMAND_MEMORY) !== 0;
  }

  get ioEnabled(): boolean {
    return (this.#command & PCI_COMMAND_IO) !== 0;
  }

  get busMaster(): boolean {
    return (this.#command & PCI_COMMAND_MASTER) !== 0;
  }

  get interruptDisabled(): boolean {
    return (this.#command & PCI_COMMAND_INTX_DISABLE) !== 0;
  }

  get msixMasked(): boolean {
    const { msix } = this.image.offsets;
    return msix !== undefined && (this.#view.getUint16(msix + PCI_MSIX_FLAGS, true) & PCI_MSIX_FLAGS_MASKALL) !== 0;
  }

  /** Shows the level of INTx in the status register. */
  set interruptStatus(asserted: boolean) {
    const status = this.#view.getUint16(PCI_STATUS, true);
    const others = status & ~PCI_STATUS_INTERRUPT;
    this.#view.setUint16(PCI_STATUS, asserted ? others | PCI_STATUS_INTERRUPT : others, true);
  }

  /** Reads bytes of any number and alignment, as vfio-pci's config region does. */
  read(offset: number, target: Uint8Array): void {
    target.set(this.#bytes.subarray(offset, offset + target.length));
  }

  /** Writes what can be written; the other bits keep their value. */
  write(offset: number, source: Uint8Array): void {
    source.forEach((value, i) => {
      const at = offset + i;
      const mask = this.image.writable[at] ?? 0;
      this.#bytes[at] = ((this.#bytes[at] ?? 0) & ~mask) | (value & mask);
    });
    this.#fixMsiFlags(offset, source.length);
    this.effects.changed();
    if (this.#asksReset(offset, source)) this.effects.functionReset();
  }

  /**
   * vfio-pci lets the low byte of MSI's flags be written whole and then mends two fields: MSI is enabled by the ioctl, and
   * no more messages than the device has are asked for. The device gets the result. Source: vfio_msi_config_write
   */
  #fixMsiFlags(offset: number, length: number): void {
    const { msi } = this.image.offsets;
    if (msi === undefined || offset > msi + PCI_MSI_FLAGS || offset + length < msi + PCI_MSI_FLAGS) return;
    let flags = this.#view.getUint16(msi + PCI_MSI_FLAGS, true);
    if (!this.effects.msiOn()) flags &= ~PCI_MSI_FLAGS_ENABLE;
    const most =
      (new DataView(this.image.bytes.buffer).getUint16(msi + PCI_MSI_FLAGS, true) & PCI_MSI_FLAGS_QMASK) >> 1;
    if ((flags & PCI_MSI_FLAGS_QSIZE) >> 4 > most) flags = (flags & ~PCI_MSI_FLAGS_QSIZE) | (most << 4);
    this.#view.setUint16(msi + PCI_MSI_FLAGS, flags, true);
    this.msiSends = (flags & PCI_MSI_FLAGS_ENABLE) !== 0;
  }

  get #command(): number {
    return this.#view.getUint16(PCI_COMMAND, true);
  }

  #asksReset(offset: number, source: Uint8Array): boolean {
    const { express } = this.image.offsets;
    if (express === undefined) return false;
    const upperByte = source[express + PCI_EXP_DEVCTL + 1 - offset] ?? 0;
    return (upperByte & (PCI_EXP_DEVCTL_BCR_FLR >> 8)) !== 0;
  }
}
