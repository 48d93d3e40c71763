import { readFileSync } from 'node:fs';

import { addon } from '../../../lib/native/addon.js';
import type { DmaMap, DmaUnmap, IommuInfo } from '../../../lib/kernel/kernel.js';
import { EDU_BUFFER, EDU_DMA, EDU_REG } from '../../../lib/models/edu/registers.js';
import type { Scenario } from './scenario.js';
import { answerOf, hex, zero } from './table.js';
import { allocateShared } from '../../support/allocate-shared.js';

export const READ = 1;
export const WRITE = 2;
export const ALL: DmaUnmap = { flags: 2, iova: 0n, size: 0n };

/** Memory of this process, which all rows share. A row writes it before it reads it. */
const memory = allocateShared(1 << 20);
export const MEMORY = addon.bufferAddress(memory, 0);

const MAP: DmaMap = { flags: READ | WRITE, iova: 0x10000n, vaddr: MEMORY, size: 0x1000n };

/** Performs MAP_DMA of a page at 0x10000. @param change replaces arguments */
export function map(s: Scenario, change: Partial<DmaMap>): Promise<string> {
  return zero(s.kernel.mapDma(s.container, { ...MAP, ...change }));
}

/** Does the same in a new container. */
export async function mapping(s: Scenario, change: Partial<DmaMap>): Promise<string> {
  await s.iommuSet();
  return map(s, change);
}

/** Performs UNMAP_DMA of a page at 0x10000. @param change replaces arguments */
export async function unmapped(s: Scenario, change: Partial<DmaUnmap>): Promise<string> {
  const { size } = await s.kernel.unmapDma(s.container, { flags: 0, iova: 0x10000n, size: 0x1000n, ...change });
  return `0, size out ${hex(size)}`;
}

/** Does the same in a new container. */
export async function unmapping(s: Scenario, change: Partial<DmaUnmap>): Promise<string> {
  await s.iommuSet();
  return unmapped(s, change);
}

/** A failed UNMAP_DMA does not change the size, so that the caller sees the size that it passed. */
export async function failedUnmap(s: Scenario, change: Partial<DmaUnmap>): Promise<string> {
  const answer = await answerOf(() => unmapped(s, change));
  return `${answer}, size out ${hex(change.size ?? 0x1000n)}`;
}

/** Formats the capabilities of GET_INFO as the reference does. */
export function infoWithCapabilities(info: IommuInfo): string {
  const ranges = (info.iovaRanges ?? []).map(({ start, last }) => `[${hex(start)}-${hex(last)}]`).join(' ');
  const migration = info.migration === undefined ? '' : 'id 2 v1 ';
  return `0, argsz out ${info.argsz}, caps: ${migration}id 3 v1 dma_avail ${info.dmaAvailable} id 1 v1 ${ranges}`;
}

/** Maps a BAR of the row's device for DMA, as an emulator does for peer-to-peer DMA. */
export async function mapBar(s: Scenario): Promise<string> {
  const handle = await s.kernel.mmap(s.device, 0n, 4096, { read: true, write: true });
  s.cleanUp(() => addon.mappingClose(handle));
  return map(s, { vaddr: addon.bufferAddress(addon.mappingView(handle), 0) });
}

/** Maps the memory of a file for DMA. With WRITE, the memory is writable. */
export async function mapFile(s: Scenario, access = READ | WRITE): Promise<string> {
  const fd = addon.memfdCreate('row', 4096n, 0);
  s.cleanUp(() => addon.closeFdSync(fd));
  const handle = addon.mappingCreate(fd, 0n, 4096, access);
  s.cleanUp(() => addon.mappingClose(handle));
  return map(s, { vaddr: addon.bufferAddress(addon.mappingView(handle), 0), flags: access });
}

/** Returns the address of inaccessible memory of this process: the guard page below a stack. */
export function inaccessiblePage(): bigint {
  const line = readFileSync('/proc/self/maps', 'utf8').match(/^([0-9a-f]+)-[0-9a-f]+ ---p/m);
  if (line === null) throw new Error('this process has no memory without access');
  return BigInt(`0x${line[1]}`);
}

/** Maps the memory of a file for DMA, removes the file's pages, and unmaps. */
export async function mapThenRelease(s: Scenario): Promise<string> {
  const fd = addon.memfdCreate('row', 4096n, 0);
  const handle = addon.mappingCreate(fd, 0n, 4096, 3);
  await map(s, { vaddr: addon.bufferAddress(addon.mappingView(handle), 0) });
  addon.mappingRevoke(handle);
  addon.mappingClose(handle);
  addon.closeFdSync(fd);
  return unmapped(s, {});
}

const IOVA = 0x10000n;
const TARGET_IOVA = 0x20000n;
const LENGTH = 7;

/** Opens the edu, with "payload" in mapped memory at 0x10000. */
export async function dmaReady(s: Scenario, options: { busMaster: boolean } = { busMaster: true }): Promise<Scenario> {
  await s.deviceOpen();
  await map(s, {});
  put(0, 'payload');
  if (options.busMaster) await s.write(7, 4, Uint8Array.of(7, 1));
  return s;
}

/** Reads "payload" by DMA, writes it back to a second page. @returns the content of that page */
export async function throughBuffer(s: Scenario, text: string, before: string): Promise<string> {
  await map(s, { iova: TARGET_IOVA, vaddr: MEMORY + 4096n });
  put(0, text);
  put(4096, before);
  await transfer(s, { source: Number(IOVA), target: EDU_BUFFER.START, toMemory: false });
  await transfer(s, { source: EDU_BUFFER.START, target: Number(TARGET_IOVA), toMemory: true });
  return `target now "${get(4096)}"`;
}

/** Writes "payload" by DMA to a page mapped with `access`. @returns the content of that page */
export async function writeTo(s: Scenario, before: string, access: number): Promise<string> {
  await map(s, { iova: TARGET_IOVA, vaddr: MEMORY + 4096n, flags: access });
  put(4096, before);
  await transfer(s, { source: Number(IOVA), target: EDU_BUFFER.START, toMemory: false });
  await transfer(s, { source: EDU_BUFFER.START, target: Number(TARGET_IOVA), toMemory: true });
  return get(4096);
}

export async function writeAfterUnmap(s: Scenario): Promise<string> {
  await map(s, { iova: TARGET_IOVA, vaddr: MEMORY + 4096n });
  put(4096, 'zzzzzzz');
  await transfer(s, { source: Number(IOVA), target: EDU_BUFFER.START, toMemory: false });
  await unmapped(s, { iova: TARGET_IOVA });
  await transfer(s, { source: EDU_BUFFER.START, target: Number(TARGET_IOVA), toMemory: true });
  return get(4096);
}

export function now(text: string): string {
  return `target now "${text}"`;
}

export function still(text: string): string {
  return `target still "${text}"`;
}

/** Makes edu transfer LENGTH bytes, and waits until it has finished. */
async function transfer(
  s: Scenario,
  { source, target, toMemory }: { source: number; target: number; toMemory: boolean },
): Promise<void> {
  await s.write(0, EDU_REG.DMA_SOURCE, source);
  await s.write(0, EDU_REG.DMA_TARGET, target);
  await s.write(0, EDU_REG.DMA_COUNT, LENGTH);
  await s.write(0, EDU_REG.DMA_COMMAND, toMemory ? EDU_DMA.RUN | EDU_DMA.TO_MEMORY : EDU_DMA.RUN);
  const deadline = performance.now() + 5000;
  while (((await s.register(0, EDU_REG.DMA_COMMAND)) & EDU_DMA.RUN) !== 0) {
    if (performance.now() > deadline) throw new Error('the edu does not finish its transfer');
  }
}

function put(offset: number, text: string): void {
  new Uint8Array(memory, offset, LENGTH).set(new TextEncoder().encode(text));
}

function get(offset: number): string {
  return new TextDecoder().decode(new Uint8Array(memory, offset, LENGTH).slice());
}
