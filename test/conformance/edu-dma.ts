import { setTimeout as sleep } from 'node:timers/promises';

import type { Fd, VfioKernel } from '../../lib/kernel/kernel.js';
import { EDU_BUFFER, EDU_DMA, EDU_REG } from '../../lib/models/edu/registers.js';
import { fileOffset, littleEndian } from './device-calls.js';

const LENGTH = 64;
/** QEMU's edu starts a transfer 100 ms after the command. */
const PATIENCE_MS = 2000;

/** Has edu move bytes between its buffer and a page; what it reached is read from memory and from its buffer. */
export async function eduDma(kernel: VfioKernel, device: Fd, iovaPage: number, toDevice: boolean): Promise<string> {
  const iova = 0x10000 + iovaPage * 4096;
  await write(kernel, device, EDU_REG.DMA_SOURCE, toDevice ? iova : EDU_BUFFER.START);
  await write(kernel, device, EDU_REG.DMA_TARGET, toDevice ? EDU_BUFFER.START : iova);
  await write(kernel, device, EDU_REG.DMA_COUNT, LENGTH);
  await write(kernel, device, EDU_REG.DMA_COMMAND, toDevice ? EDU_DMA.RUN : EDU_DMA.RUN | EDU_DMA.TO_MEMORY);
  const deadline = Date.now() + PATIENCE_MS;
  while (((await read(kernel, device, EDU_REG.DMA_COMMAND)) & EDU_DMA.RUN) !== 0) {
    if (Date.now() > deadline) return 'never done';
    await sleep(10);
  }
  return 'done';
}

async function write(kernel: VfioKernel, device: Fd, register: number, value: number): Promise<void> {
  await kernel.pwrite(device, fileOffset({ regionIndex: 0, offset: register }), littleEndian(value, 8));
}

async function read(kernel: VfioKernel, device: Fd, register: number): Promise<number> {
  const bytes = await kernel.pread(device, fileOffset({ regionIndex: 0, offset: register }), 8);
  return bytes[0] ?? 0;
}
