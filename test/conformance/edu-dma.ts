import { setTimeout as sleep } from 'node:timers/promises';

import type { Fd, VfioKernel } from '../../lib/kernel/kernel.js';
import { fileOffset, littleEndian } from './device-calls.js';

const SOURCE = 0x80;
const DESTINATION = 0x88;
const COUNT = 0x90;
const COMMAND = 0x98;
const BUFFER = 0x40000;
const START = 1;
const TO_MEMORY = 2;
const LENGTH = 64;
/** QEMU's edu starts a transfer 100 ms after the command. */
const PATIENCE_MS = 2000;

/** Has edu move bytes between its buffer and a page; what it reached is read from memory and from its buffer. */
export async function eduDma(kernel: VfioKernel, device: Fd, iovaPage: number, toDevice: boolean): Promise<string> {
  const iova = 0x10000 + iovaPage * 4096;
  await write(kernel, device, SOURCE, toDevice ? iova : BUFFER);
  await write(kernel, device, DESTINATION, toDevice ? BUFFER : iova);
  await write(kernel, device, COUNT, LENGTH);
  await write(kernel, device, COMMAND, toDevice ? START : START | TO_MEMORY);
  const deadline = Date.now() + PATIENCE_MS;
  while (((await read(kernel, device, COMMAND)) & START) !== 0) {
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
