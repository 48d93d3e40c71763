import assert from 'node:assert/strict';

import { VfioError } from '../../lib/base/errors.js';
import { walkCapabilities } from '../../lib/config-space/capabilities.js';
import type { Fd, VfioKernel } from '../../lib/kernel/kernel.js';
import { addon } from '../../lib/native/addon.js';
import { VFIO_PCI_CONFIG_REGION_INDEX } from '../../lib/uapi/vfio.js';
import { openFiles } from './close-races.js';

/** A function of a kernel, which nothing uses. */
export interface ConfigSubject {
  readonly kernel: VfioKernel;
  /** The name of the device. */
  readonly name: string;
  /** The file name of its group in /dev/vfio. */
  readonly group: string;
  close(): Promise<void>;
}

/** An open function, and its config space. Fields are little-endian. */
export class OpenConfig {
  private constructor(
    readonly kernel: VfioKernel,
    readonly device: Fd,
    private readonly files: readonly Fd[],
    readonly size: number,
    private readonly start: bigint,
  ) {}

  /** Opens the function through its group. */
  static async open({ kernel, name, group }: ConfigSubject): Promise<OpenConfig> {
    const { container, group: groupFd, device, eventfd } = await openFiles({ kernel, name, group }, 'device');
    const { size, offset } = kernel.getRegionInfo(device, VFIO_PCI_CONFIG_REGION_INDEX);
    return new OpenConfig(kernel, device, [eventfd, device, groupFd, container], Number(size), offset);
  }

  /** An eventfd for the interrupts of the test. */
  get eventfd(): Fd {
    return this.files[0] ?? -1;
  }

  async bytes(at: number, length: number): Promise<Uint8Array> {
    return this.kernel.pread(this.device, this.start + BigInt(at), length);
  }

  async field(at: number, width: number): Promise<number> {
    return Buffer.from(await this.bytes(at, width)).readUIntLE(0, width);
  }

  /** Writes the low `width` bytes of a value. */
  async set(at: number, width: number, value: number): Promise<void> {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32LE(value | 0);
    assert.equal(await this.kernel.pwrite(this.device, this.start + BigInt(at), bytes.subarray(0, width)), width);
  }

  /** Writes a field, reads it, and writes the value that it had. @returns what was read between */
  async tried(at: number, width: number, value: number): Promise<number> {
    const before = await this.field(at, width);
    await this.set(at, width, value);
    const seen = await this.field(at, width);
    await this.set(at, width, before);
    return seen;
  }

  /** The offset of a capability, which the function has. */
  async capability(id: number): Promise<number> {
    const found = walkCapabilities(await this.bytes(0, this.size)).find((capability) => capability.id === id);
    assert.ok(found, `the function has no capability ${id}`);
    return found.offset;
  }

  async close(): Promise<void> {
    const [eventfd = -1, ...files] = this.files;
    // An eventfd is a real descriptor on every kernel.
    addon.closeFdSync(eventfd);
    for (const fd of files) await this.kernel.close(fd);
  }
}

/** Asserts that a call fails with an errno. */
export async function failsWith(call: Promise<unknown>, errno: string): Promise<void> {
  await assert.rejects(call, (error) => error instanceof VfioError && error.code === errno);
}
