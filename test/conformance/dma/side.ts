import { VfioError } from '../../../lib/base/errors.js';
import type { Fd, VfioKernel } from '../../../lib/kernel/kernel.js';
import { addon } from '../../../lib/native/addon.js';
import * as uapi from '../../../lib/uapi/vfio.js';
import { fileOffset, littleEndian } from '../register-access.js';
import { ARENA_PAGES, PAGE } from '../world.js';
import { type DmaCall, IOVA_BASE, type ReadDirtyCall, type UnmapCall } from './program.js';
import { type EduTransfer, runEduTransfer } from '../edu-transfer.js';
import { allocateShared } from '../../support/allocate-shared.js';

/** The result of a call: how many bytes it unmapped, the name of its errno, or nothing; and its dirty bitmap, if any. */
export interface DmaOutcome {
  readonly answer: bigint | string | undefined;
  readonly bitmap?: Uint8Array;
}

/** A guest that shares its processors can be slow. Only a device that never finishes reaches this time. */
const TRANSFER_MS = 30_000;
const COMMAND_REGISTER = 4;
const COMMAND_MEMORY = 2;
const COMMAND_BUS_MASTER = 4;
/** Bit 28, the first that edu's usual DMA mask leaves out. */
const BEYOND_MASK = 1n << 28n;
/** An IOVA that programs do not use, for the transfer that makes the buffers equal. */
const SYNC_IOVA = 0x800000n;
const BUFFER_USED = 4092;

/** edu on one of the two kernels, in its own container, which serves many programs. */
export class DmaSide {
  readonly memory = new Uint8Array(allocateShared(ARENA_PAGES * PAGE));

  private constructor(
    private readonly kernel: VfioKernel,
    private readonly container: Fd,
    private readonly group: Fd,
    private readonly device: Fd,
  ) {}

  /** Opens edu and fills its buffer. */
  static async open(kernel: VfioKernel, group: string, bdf: string): Promise<DmaSide> {
    const container = await kernel.openContainer();
    const groupFd = await kernel.openGroup(group);
    await kernel.setContainer(groupFd, container);
    await kernel.setIommu(container, uapi.VFIO_TYPE1v2_IOMMU);
    const side = new DmaSide(kernel, container, groupFd, await kernel.getDeviceFd(groupFd, bdf));
    await side.synchronize();
    return side;
  }

  /** Restores the state in which each program starts, except for edu's buffer. */
  async begin(): Promise<void> {
    await this.unmapAll();
    await this.kernel.setDirtyTracking(this.container, false);
    await this.setBusMaster(true);
    for (let page = 0; page < ARENA_PAGES; page++) this.fill(page, page * 16 + 1);
  }

  /** Gives edu's buffer the content that it has on the other side. */
  async synchronize(): Promise<void> {
    await this.begin();
    await this.map(SYNC_IOVA, 0, 1, 3);
    const transfer = { iova: SYNC_IOVA, bufferOffset: 0, length: BUFFER_USED, toDevice: true };
    await this.transfer(transfer);
  }

  /** Makes one call. An error that is not a VfioError is a bug of the side, and is thrown. */
  async execute(call: DmaCall): Promise<DmaOutcome> {
    try {
      return await this.dispatch(call);
    } catch (error) {
      if (error instanceof VfioError) return { answer: error.code };
      throw error;
    }
  }

  async close(): Promise<void> {
    for (const fd of [this.device, this.group, this.container]) await this.kernel.close(fd);
  }

  private async dispatch(call: DmaCall): Promise<DmaOutcome> {
    switch (call.call) {
      case 'map':
        await this.map(iovaOf(call.iovaPage), call.page, call.pages, call.access);
        return { answer: undefined };
      case 'unmap':
        return this.unmap(call);
      case 'unmapAll':
        return { answer: await this.unmapAll() };
      case 'track':
        await this.kernel.setDirtyTracking(this.container, call.enabled);
        return { answer: undefined };
      case 'readDirty':
        return { answer: undefined, bitmap: await this.readDirty(call) };
      case 'fill':
        this.fill(call.page, call.value);
        return { answer: undefined };
      case 'busMaster':
        await this.setBusMaster(call.enabled);
        return { answer: undefined };
      case 'transfer': {
        const iova = iovaOf(call.iovaPage) + BigInt(call.pageOffset) + (call.beyondMask ? BEYOND_MASK : 0n);
        const { bufferOffset, length, toDevice } = call;
        await this.transfer({ iova, bufferOffset, length, toDevice });
        return { answer: undefined };
      }
    }
  }

  private async transfer(transfer: EduTransfer): Promise<void> {
    if (await runEduTransfer(this.kernel, this.device, transfer, TRANSFER_MS)) return;
    throw new Error(`a transfer of edu did not end within ${TRANSFER_MS} ms`);
  }

  private map(iova: bigint, page: number, pages: number, flags: number): Promise<void> {
    const vaddr = addon.bufferAddress(this.memory.buffer, page * PAGE);
    return this.kernel.mapDma(this.container, { flags, vaddr, iova, size: BigInt(pages * PAGE) });
  }

  private async unmap({ iovaPage, pages, bitmapPage }: UnmapCall): Promise<DmaOutcome> {
    const range = { iova: iovaOf(iovaPage), size: BigInt(pages * PAGE) };
    if (bitmapPage === 0) {
      return { answer: (await this.kernel.unmapDma(this.container, { flags: 0, ...range })).size };
    }
    const bitmap = { pageSize: BigInt(bitmapPage), size: 8n };
    const flags = uapi.VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP;
    const result = await this.kernel.unmapDma(this.container, { flags, ...range, bitmap });
    return { answer: result.size, ...(result.bitmap === undefined ? {} : { bitmap: result.bitmap }) };
  }

  private async unmapAll(): Promise<bigint> {
    const all = { flags: uapi.VFIO_DMA_UNMAP_FLAG_ALL, iova: 0n, size: 0n };
    return (await this.kernel.unmapDma(this.container, all)).size;
  }

  private readDirty({ iovaPage, pages, pageSize }: ReadDirtyCall): Promise<Uint8Array> {
    const range = { iova: iovaOf(iovaPage), size: BigInt(pages * PAGE), pageSize: BigInt(pageSize) };
    return this.kernel.getDirtyBitmap(this.container, range);
  }

  /** Fills a page with a pattern without equal neighbours, so that a byte at a wrong place shows. */
  private fill(page: number, value: number): void {
    for (let index = 0; index < PAGE; index++) this.memory[page * PAGE + index] = value + index * 7 + (index >> 8);
  }

  private async setBusMaster(enabled: boolean): Promise<void> {
    const value = COMMAND_MEMORY | (enabled ? COMMAND_BUS_MASTER : 0);
    const place = { regionIndex: uapi.VFIO_PCI_CONFIG_REGION_INDEX, offset: COMMAND_REGISTER };
    await this.kernel.pwrite(this.device, fileOffset(place), littleEndian(value, 2));
  }
}

function iovaOf(page: number): bigint {
  return IOVA_BASE + BigInt(page * PAGE);
}
