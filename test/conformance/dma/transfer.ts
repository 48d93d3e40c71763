import { setTimeout as sleep } from 'node:timers/promises';

import type { Fd, VfioKernel } from '../../../lib/kernel/kernel.js';
import { EDU_BUFFER, EDU_DMA, EDU_REG } from '../../../lib/models/edu/registers.js';
import { fileOffset } from '../device-calls.js';

/** QEMU's edu starts a transfer this long after the command. */
const DELAY_MS = 100;
const POLL_MS = 5;
/** A guest that shares its processors may be slow: this is for a device that never answers. */
const PATIENCE_MS = 30_000;

/** One transfer of edu's. */
export interface Transfer {
  readonly iova: bigint;
  readonly bufferOffset: number;
  readonly length: number;
  readonly toDevice: boolean;
}

/** Has edu move bytes and waits until it has done so. @throws Error when it never does */
export async function runTransfer(kernel: VfioKernel, device: Fd, transfer: Transfer): Promise<void> {
  const buffer = BigInt(EDU_BUFFER.START) + BigInt(transfer.bufferOffset);
  await write(kernel, device, EDU_REG.DMA_SOURCE, transfer.toDevice ? transfer.iova : buffer);
  await write(kernel, device, EDU_REG.DMA_TARGET, transfer.toDevice ? buffer : transfer.iova);
  await write(kernel, device, EDU_REG.DMA_COUNT, BigInt(transfer.length));
  const command = transfer.toDevice ? EDU_DMA.RUN : EDU_DMA.RUN | EDU_DMA.TO_MEMORY;
  await write(kernel, device, EDU_REG.DMA_COMMAND, BigInt(command));
  const deadline = Date.now() + PATIENCE_MS;
  for (let wait = DELAY_MS; await isRunning(kernel, device); wait = POLL_MS) {
    if (Date.now() > deadline) throw new Error(`a transfer of edu's did not end within ${PATIENCE_MS} ms`);
    await sleep(wait);
  }
}

async function isRunning(kernel: VfioKernel, device: Fd): Promise<boolean> {
  const [low = 0] = await kernel.pread(device, fileOffset({ regionIndex: 0, offset: EDU_REG.DMA_COMMAND }), 8);
  return (low & EDU_DMA.RUN) !== 0;
}

async function write(kernel: VfioKernel, device: Fd, register: number, value: bigint): Promise<void> {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  await kernel.pwrite(device, fileOffset({ regionIndex: 0, offset: register }), bytes);
}
