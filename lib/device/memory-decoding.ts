import { walkCapabilities } from '../config-space/capabilities.js';
import type { ConfigIo } from '../config-space/config-io.js';
import {
  PCI_CAP_ID_PM,
  PCI_CFG_SPACE_SIZE,
  PCI_COMMAND,
  PCI_COMMAND_MEMORY,
  PCI_PM_CTRL,
  PCI_PM_CTRL_STATE_MASK,
  PCI_VENDOR_ID,
} from '../uapi/pci.js';

/** Every register of a function that does not answer reads as all ones. */
const ALL_ONES = 0xffff;

/** Tells from config space whether a PCI function answers at its memory BARs. Thread: the one that attached the device. */
export class MemoryDecoding {
  readonly #io: ConfigIo;
  /** The offset of the power management capability; undefined before the first search. */
  #power: number | 'none' | undefined;

  constructor(io: ConfigIo) {
    this.#io = io;
  }

  /**
   * Reads the command register and the power state.
   * @returns true if memory decoding is on and the function is in D0, which is full power
   */
  async on(): Promise<boolean> {
    if ((await this.#read16(PCI_VENDOR_ID)) === ALL_ONES) return false;
    const command = await this.#read16(PCI_COMMAND);
    if (command === ALL_ONES || (command & PCI_COMMAND_MEMORY) === 0) return false;
    this.#power ??= await this.#findPower();
    if (this.#power === 'none') return true;
    const control = await this.#read16(this.#power + PCI_PM_CTRL);
    return (control & PCI_PM_CTRL_STATE_MASK) === 0;
  }

  /** Tells whether a write to config space may have turned on memory decoding or the power. @param length bytes */
  isTouchedBy(offset: number, length: number): boolean {
    const touches = (register: number): boolean => offset < register + 2 && offset + length > register;
    return touches(PCI_COMMAND) || (typeof this.#power === 'number' && touches(this.#power + PCI_PM_CTRL));
  }

  async #read16(offset: number): Promise<number> {
    const [low = 0xff, high = 0xff] = await this.#io.read(offset, 2);
    return low | (high << 8);
  }

  async #findPower(): Promise<number | 'none'> {
    const capabilities = walkCapabilities(await this.#io.read(0, PCI_CFG_SPACE_SIZE));
    return capabilities.find(({ id }) => id === PCI_CAP_ID_PM)?.offset ?? 'none';
  }
}
