import { addon } from '../../../lib/native/addon.js';
import type { Fd } from '../../../lib/kernel/kernel.js';
import type { SoftwareMachine } from '../../../lib/software/machine/software-machine.js';
import type { ProcessOptions } from '../../../lib/software/machine/machine-options.js';
import type { SoftwareProcess } from '../../../lib/software/machine/software-process.js';
import { VFIO_PCI_OFFSET_SHIFT, VFIO_TYPE1v2_IOMMU } from '../../../lib/uapi/vfio.js';

/** The machine of a section, and the default device and group of its rows. */
export interface World {
  readonly machine: SoftwareMachine;
  readonly group: string;
  readonly device: string;
}

/** Brings about the state in which a row begins. Each row has its own process. */
export class Scenario {
  readonly machine: SoftwareMachine;
  kernel: SoftwareProcess;
  groupName: string;
  deviceName: string;
  container: Fd = -1;
  group: Fd = -1;
  device: Fd = -1;
  readonly #processes: SoftwareProcess[] = [];
  readonly #eventfds: Fd[] = [];
  readonly #cleanups: (() => unknown)[] = [];

  constructor(world: World) {
    this.machine = world.machine;
    this.groupName = world.group;
    this.deviceName = world.device;
    this.kernel = this.process();
  }

  /** Starts a process that ends with the row. */
  process(options: ProcessOptions = {}): SoftwareProcess {
    const process = this.machine.process(options);
    this.#processes.push(process);
    return process;
  }

  /** Forks the row's process; the child ends with the row. */
  fork(options: ProcessOptions = {}): SoftwareProcess {
    const child = this.kernel.fork(options);
    this.#processes.push(child);
    return child;
  }

  /** Selects another device for the row. */
  about(groupName: string, deviceName: string): this {
    this.groupName = groupName;
    this.deviceName = deviceName;
    return this;
  }

  async containerOpen(): Promise<this> {
    this.container = await this.kernel.openContainer();
    return this;
  }

  async groupOpen(): Promise<this> {
    this.group = await this.kernel.openGroup(this.groupName);
    return this;
  }

  async containerSet(): Promise<this> {
    await (await this.containerOpen()).groupOpen();
    await this.kernel.setContainer(this.group, this.container);
    return this;
  }

  async iommuSet(type = VFIO_TYPE1v2_IOMMU): Promise<this> {
    await this.containerSet();
    await this.kernel.setIommu(this.container, type);
    return this;
  }

  async deviceOpen(type = VFIO_TYPE1v2_IOMMU): Promise<this> {
    await this.iommuSet(type);
    this.device = await this.kernel.getDeviceFd(this.group, this.deviceName);
    return this;
  }

  /** Opens the node of a device. @param deviceName default: the row's device */
  openCdev(deviceName = this.deviceName): Promise<Fd> {
    return this.kernel.openCdev(`vfio${this.machine.device(deviceName).vfio?.index}`);
  }

  /** Opens an iommufd and binds the row's device to it. */
  async cdevBound(): Promise<this> {
    this.container = await this.kernel.openIommufd();
    this.device = await this.openCdev();
    await this.kernel.bindIommufd(this.device, this.container);
    return this;
  }

  /** Reads from a region of the row's device. */
  read(regionIndex: number, regionOffset: number | bigint, length: number): Promise<Uint8Array> {
    return this.kernel.pread(this.device, fileOffset(regionIndex, regionOffset), length);
  }

  /** Reads up to 4 bytes as a number. */
  async register(regionIndex: number, regionOffset: number): Promise<number> {
    const bytes = await this.read(regionIndex, regionOffset, 4);
    return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  }

  /** Writes bytes, or a number of 32 bits, to a region of the row's device. */
  write(regionIndex: number, regionOffset: number | bigint, data: number | Uint8Array): Promise<number> {
    const bytes = typeof data === 'number' ? new Uint8Array(Uint32Array.of(data).buffer) : data;
    return this.kernel.pwrite(this.device, fileOffset(regionIndex, regionOffset), bytes);
  }

  /** Makes an eventfd that is closed with the row. */
  eventfd(): Fd {
    const fd = addon.eventfdCreate();
    this.#eventfds.push(fd);
    return fd;
  }

  /** Registers a step that runs when the row ends. */
  cleanUp(step: () => unknown): void {
    this.#cleanups.unshift(step);
  }

  async end(): Promise<void> {
    for (const process of this.#processes) await process.exit();
    for (const fd of this.#eventfds) addon.closeFdSync(fd);
    for (const step of this.#cleanups) await step();
  }
}

export function fileOffset(regionIndex: number, regionOffset: number | bigint): bigint {
  return (BigInt(regionIndex) << VFIO_PCI_OFFSET_SHIFT) + BigInt(regionOffset);
}
