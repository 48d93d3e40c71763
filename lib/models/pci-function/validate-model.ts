import { isPowerOfTwo } from '../../base/arguments.js';
import { invalidArgument } from '../../base/errors.js';
import { PCI_MSIX_ENTRY_SIZE } from '../../uapi/pci.js';
import type { BarLayout, BarOffset, PciModel } from '../pci-model.js';

const PAGE = 4096;

/** Checks what a model says of itself, and that a module's export is a model at all. @throws ERR_INVALID_ARGUMENT */
export function validateModel(value: unknown): PciModel {
  if (!isModel(value)) throw invalidArgument('the module has no PciModel as its default export');
  const taken = new Set<number>();
  for (const bar of value.bars) validateBar(value.name, bar, taken);
  if (value.msi !== undefined) {
    const { vectors } = value.msi;
    if (!isPowerOfTwo(vectors) || vectors > 32)
      throw refuseModel(value.name, 'has a count of MSI vectors that cannot be');
  }
  if (value.msix !== undefined) validateMsix(value, value.msix);
  return value;
}

/** How many 32-bit registers a BAR takes. */
export function barRegisters(bar: BarLayout): number {
  return bar.kind === 'memory64' ? 2 : 1;
}

/** Tells whether a range of a BAR may be mapped by the client. */
export function mappedAreas(bar: BarLayout): readonly { readonly offset: number; readonly size: number }[] {
  if (bar.mapped === true) return [{ offset: 0, size: bar.size }];
  return bar.mapped ?? [];
}

function isModel(value: unknown): value is PciModel {
  if (typeof value !== 'object' || value === null) return false;
  const model = value as Partial<PciModel>;
  const identified = typeof model.name === 'string' && typeof model.identity === 'object';
  return identified && typeof model.create === 'function' && Array.isArray(model.bars);
}

function validateBar(name: string, bar: BarLayout, taken: Set<number>): void {
  const where = `BAR${bar.index}`;
  for (let index = bar.index; index < bar.index + barRegisters(bar); index += 1) {
    if (!Number.isInteger(index) || index < 0 || index > 5) throw refuseModel(name, `has no room for ${where}`);
    if (taken.has(index)) throw refuseModel(name, `has another BAR where ${where} lies`);
    taken.add(index);
  }
  const [least, most] = bar.kind === 'io' ? [4, 256] : [16, bar.kind === 'memory32' ? 2 ** 31 : 2 ** 40];
  if (!isPowerOfTwo(bar.size) || bar.size < least || bar.size > most)
    throw refuseModel(name, `has a wrong size of ${where}`);
  let end = 0;
  for (const area of mappedAreas(bar)) {
    const aligned = area.offset % PAGE === 0 && area.size % PAGE === 0 && area.size > 0;
    const ordered = area.offset >= end && area.offset + area.size <= bar.size;
    if (bar.kind === 'io' || !aligned || !ordered)
      throw refuseModel(name, `has a mapped area of ${where} that cannot be`);
    end = area.offset + area.size;
  }
}

function validateMsix(model: PciModel, msix: NonNullable<PciModel['msix']>): void {
  const { vectors, table, pba } = msix;
  if (!Number.isInteger(vectors) || vectors < 1 || vectors > 2048) {
    throw refuseModel(model.name, 'has a count of MSI-X vectors that cannot be');
  }
  const tableSize = vectors * PCI_MSIX_ENTRY_SIZE;
  const pbaSize = Math.ceil(vectors / 64) * 8;
  validateMsixArea(model, 'table', table, tableSize);
  validateMsixArea(model, 'pending bits', pba, pbaSize);
  if (table.bar === pba.bar && overlap(table.offset, tableSize, pba.offset, pbaSize)) {
    throw refuseModel(model.name, 'has its MSI-X pending bits inside of its table');
  }
}

function validateMsixArea(model: PciModel, what: string, place: BarOffset, size: number): void {
  const bar = model.bars.find((candidate) => candidate.index === place.bar);
  const fits = bar !== undefined && bar.kind !== 'io' && place.offset % 8 === 0 && place.offset + size <= bar.size;
  if (!fits) throw refuseModel(model.name, `has no room for its MSI-X ${what}`);
  if (mappedAreas(bar).some((area) => overlap(area.offset, area.size, place.offset, size))) {
    throw refuseModel(model.name, `lets its MSI-X ${what} be mapped`);
  }
}

function overlap(start: number, size: number, otherStart: number, otherSize: number): boolean {
  return start < otherStart + otherSize && otherStart < start + size;
}

function refuseModel(name: string, what: string): Error {
  return invalidArgument(`the model ${name} ${what}`);
}
