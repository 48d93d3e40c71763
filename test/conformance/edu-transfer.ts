import { setTimeout as sleep } from 'node:timers/promises';

import type { Fd, VfioKernel } from '../../lib/kernel/kernel.js';
import { EDU_BUFFER, EDU_DMA, EDU_REG } from '../../lib/models/edu/registers.js';
import { fileOffset } from './register-access.js';

/** QEMU's edu starts a transfer this long after the command. */
const DELAY_MS = 100;
const POLL_MS = 5;

/** A DMA transfer of edu between its buffer and an IOVA. */
export interface EduTransfer {
  readonly iova: bigint;
  readonly bufferOffset: number;
  /** Bytes. */
  readonly length: number;
  /** Whether edu reads from the IOVA into its buffer. */
  readonly toDevice: boolean;
}

/** Starts a transfer and waits until edu has finished it. @returns false if it has not finished after `timeoutMs` */
export async function runEduTransfer(
  kernel: VfioKernel,
  device: Fd,
  transfer: EduTransfer,
  timeoutMs: number,
): Promise<boolean> {
  const buffer = BigInt(EDU_BUFFER.START + transfer.bufferOffset);
  await write(kernel, device, EDU_REG.DMA_SOURCE, transfer.toDevice ? transfer.iova : buffer);
  await write(kernel, device, EDU_REG.DMA_TARGET, transfer.toDevice ? buffer : transfer.iova);
  await write(kernel, device, EDU_REG.DMA_COUNT, BigInt(transfer.length));
  const command = transfer.toDevice ? EDU_DMA.RUN : EDU_DMA.RUN | EDU_DMA.TO_MEMORY;
  await write(kernel, device, EDU_REG.DMA_COMMAND, BigInt(command));
  const deadline = Date.now() + timeoutMs;
  for (let wait = DELAY_MS; await isRunning(kernel, device); wait = POLL_MS) {
    if (Date.now() > deadline) return false;
    await sleep(wait);
  }
  return true;
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
