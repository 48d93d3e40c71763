import assert from 'node:assert/strict';

import type { Device } from '../../lib/device/device.js';
import type { DmaBuffer } from '../../lib/dma/buffers.js';
import { VfioError } from '../../lib/base/errors.js';
import { EDU } from './target.js';

export async function rejects(promise: Promise<unknown>, ...codes: string[]): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof VfioError, String(error));
    assert.ok(codes.includes(error.code), `${error.code}: ${error.message}`);
    return true;
  });
}

export function pattern(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * seed + 1) & 0xff);
}

export function bytesOf(buffer: DmaBuffer): Uint8Array<SharedArrayBuffer> {
  return new Uint8Array(buffer.memory);
}

export function fill(buffer: DmaBuffer, seed: number): void {
  bytesOf(buffer).set(pattern(buffer.memory.byteLength, seed));
}

export function dmaToDevice(device: Device, { iova }: { iova: bigint }, length: number): Promise<void> {
  return runDma(device, iova, BigInt(EDU.buffer), length, EDU.dmaRun);
}

export function dmaToMemory(device: Device, { iova }: { iova: bigint }, length: number): Promise<void> {
  return runDma(device, BigInt(EDU.buffer), iova, length, EDU.dmaRun | EDU.dmaToMemory);
}

async function runDma(
  device: Device,
  source: bigint,
  destination: bigint,
  length: number,
  command: number,
): Promise<void> {
  const bar = device.region(0);
  await bar.write64(EDU.dmaSource, source);
  await bar.write64(EDU.dmaDestination, destination);
  await bar.write64(EDU.dmaCount, BigInt(length));
  await bar.write64(EDU.dmaCommand, BigInt(command));
  await bar.pollUntil(EDU.dmaCommand, { width: 8, mask: BigInt(EDU.dmaRun), value: 0n }, { timeoutMs: 5000 });
}
