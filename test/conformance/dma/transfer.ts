import { setTimeout as sleep } from 'node:timers/promises';

import type { Fd, VfioKernel } from '../../../lib/kernel/kernel.js';
import { fileOffset } from '../device-calls.js';

const SOURCE = 0x80;
const TARGET = 0x88;
const COUNT = 0x90;
const COMMAND = 0x98;
const BUFFER = 0x40000n;
const START = 1n;
const TO_MEMORY = 2n;
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
  const buffer = BUFFER + BigInt(transfer.bufferOffset);
  await write(kernel, device, SOURCE, transfer.toDevice ? transfer.iova : buffer);
  await write(kernel, device, TARGET, transfer.toDevice ? buffer : transfer.iova);
  await write(kernel, device, COUNT, BigInt(transfer.length));
  await write(kernel, device, COMMAND, transfer.toDevice ? START : START | TO_MEMORY);
  const deadline = Date.now() + PATIENCE_MS;
  for (let wait = DELAY_MS; await isRunning(kernel, device); wait = POLL_MS) {
    if (Date.now() > deadline) throw new Error(`a transfer of edu's did not end within ${PATIENCE_MS} ms`);
    await sleep(wait);
  }
}

async function isRunning(kernel: VfioKernel, device: Fd): Promise<boolean> {
  const [low = 0] = await kernel.pread(device, fileOffset({ regionIndex: 0, offset: COMMAND }), 8);
  return (low & Number(START)) !== 0;
}

async function write(kernel: VfioKernel, device: Fd, register: number, value: bigint): Promise<void> {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  await kernel.pwrite(device, fileOffset({ regionIndex: 0, offset: register }), bytes);
}
