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
  PCI_MSIX_FLAGS,
  PCI_MSIX_FLAGS_ENABLE,
  PCI_MSIX_FLAGS_MASKALL,
  PCI_STATUS,
  PCI_STATUS_INTERRUPT,
} from '../../uapi/pci.js';
import type { ConfigImage } from './config-image.js';

/** The effects of writes to config space on the function. */
export interface ConfigEffects {
  /** Called after each write: the command register or the MSI-X function mask may have changed. */
  changed(): void;
  /** Called when a function-level reset is requested. */
  functionReset(): void;
}

/** The config space of a running function. A reset does not change it: vfio-pci saves and restores it around a reset. */
export class EmulatedConfig {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(
    private readonly image: ConfigImage,
    private readonly effects: ConfigEffects,
  ) {
    this.#bytes = image.bytes.slice();
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Bytes. */
  get size(): number {
    return this.#bytes.length;
  }

  /** Whether the device decodes memory BARs. */
  get memoryEnabled(): boolean {
    return (this.#command & PCI_COMMAND_MEMORY) !== 0;
  }

  /** Whether the device decodes I/O BARs. */
  get ioEnabled(): boolean {
    return (this.#command & PCI_COMMAND_IO) !== 0;
  }

  /** Whether the device may do DMA and send messages. */
  get busMaster(): boolean {
    return (this.#command & PCI_COMMAND_MASTER) !== 0;
  }

  /** Whether INTx is disabled. */
  get interruptDisabled(): boolean {
    return (this.#command & PCI_COMMAND_INTX_DISABLE) !== 0;
  }

  /** Whether the MSI-X function mask is set. */
  get msixMasked(): boolean {
    const { msix } = this.image.offsets;
    return msix !== undefined && (this.#view.getUint16(msix + PCI_MSIX_FLAGS, true) & PCI_MSIX_FLAGS_MASKALL) !== 0;
  }

  /** Whether MSI is enabled. */
  get msiEnabled(): boolean {
    const { msi } = this.image.offsets;
    return msi !== undefined && (this.#view.getUint16(msi + PCI_MSI_FLAGS, true) & PCI_MSI_FLAGS_ENABLE) !== 0;
  }

  /** Sets the enable bit of MSI, as the kernel does when a client sets up vectors. */
  enableMsi(on: boolean): void {
    this.#setFlag(this.image.offsets.msi, PCI_MSI_FLAGS, PCI_MSI_FLAGS_ENABLE, on);
  }

  /** Sets the enable bit of MSI-X. The kernel clears the function mask then. */
  enableMsix(on: boolean): void {
    this.#setFlag(this.image.offsets.msix, PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE, on);
    if (on) this.#setFlag(this.image.offsets.msix, PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_MASKALL, false);
  }

  /** Sets the interrupt bit of the status register to the level of INTx. */
  set interruptStatus(asserted: boolean) {
    const status = this.#view.getUint16(PCI_STATUS, true);
    const others = status & ~PCI_STATUS_INTERRUPT;
    this.#view.setUint16(PCI_STATUS, asserted ? others | PCI_STATUS_INTERRUPT : others, true);
  }

  /** Reads any number of bytes at any offset. */
  read(offset: number, target: Uint8Array): void {
    target.set(this.#bytes.subarray(offset, offset + target.length));
  }

  /** Writes bytes. Read-only bits keep their value. */
  write(offset: number, source: Uint8Array): void {
    source.forEach((value, i) => {
      const at = offset + i;
      const mask = this.image.writable[at] ?? 0;
      this.#bytes[at] = ((this.#bytes[at] ?? 0) & ~mask) | (value & mask);
    });
    this.effects.changed();
    if (this.#asksReset(offset, source)) this.effects.functionReset();
  }

  #setFlag(capability: number | undefined, flags: number, bit: number, on: boolean): void {
    if (capability === undefined) return;
    const value = this.#view.getUint16(capability + flags, true);
    this.#view.setUint16(capability + flags, on ? value | bit : value & ~bit, true);
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
