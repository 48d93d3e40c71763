import assert from 'node:assert/strict';

import type { Device } from '../../lib/device/device.js';
import type { DmaBuffer } from '../../lib/dma/dma-buffer.js';
import { VfioError } from '../../lib/base/errors.js';
import { EDU_BUFFER, EDU_DMA, EDU_REG } from '../../lib/models/edu/registers.js';

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
  return runDma(device, iova, BigInt(EDU_BUFFER.START), length, EDU_DMA.RUN);
}

export function dmaToMemory(device: Device, { iova }: { iova: bigint }, length: number): Promise<void> {
  return runDma(device, BigInt(EDU_BUFFER.START), iova, length, EDU_DMA.RUN | EDU_DMA.TO_MEMORY);
}

async function runDma(
  device: Device,
  source: bigint,
  destination: bigint,
  length: number,
  command: number,
): Promise<void> {
  const bar = device.region(0);
  await bar.write64(EDU_REG.DMA_SOURCE, source);
  await bar.write64(EDU_REG.DMA_TARGET, destination);
  await bar.write64(EDU_REG.DMA_COUNT, BigInt(length));
  await bar.write64(EDU_REG.DMA_COMMAND, BigInt(command));
  await bar.pollUntil(EDU_REG.DMA_COMMAND, { width: 8, mask: BigInt(EDU_DMA.RUN), value: 0n }, { timeoutMs: 5000 });
}
