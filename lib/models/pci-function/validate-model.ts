import { isPowerOfTwo } from '../../base/arguments.js';
import { invalidArgument } from '../../base/errors.js';
import { PCI_MSIX_ENTRY_SIZE } from '../../uapi/pci.js';
import type { BarLayout, BarOffset, PciModel } from '../pci-model.js';
import { barRegisters, mappedAreas } from './bar-layout.js';

/** The alignment of mapped areas: the smallest page of any host. A client with larger pages may map less. */
const AREA_ALIGNMENT = 4096;
const MAX_MSI_VECTORS = 32;
const MAX_MSIX_VECTORS = 2048;

/**
 * Checks the default export of a model's module.
 * @returns the same value
 * @throws ERR_INVALID_ARGUMENT if it is not a `PciModel`, or describes a device that cannot exist
 */
export function validateModel(value: unknown): PciModel {
  if (!isModel(value)) throw invalidArgument('the module has no PciModel as its default export');
  const taken = new Set<number>();
  for (const bar of value.bars) validateBar(value.name, bar, taken);
  if (value.msi !== undefined) {
    const { vectors } = value.msi;
    if (!isPowerOfTwo(vectors) || vectors > MAX_MSI_VECTORS) {
      throw modelError(
        value.name,
        `\`msi.vectors\` must be a power of two from 1 to ${MAX_MSI_VECTORS}. Received ${vectors}`,
      );
    }
  }
  if (value.msix !== undefined) validateMsix(value, value.msix);
  return value;
}

function isModel(value: unknown): value is PciModel {
  if (typeof value !== 'object' || value === null) return false;
  const model = value as Partial<PciModel>;
  const identified = typeof model.name === 'string' && typeof model.identity === 'object';
  return identified && typeof model.create === 'function' && Array.isArray(model.bars);
}

function validateBar(name: string, bar: BarLayout, taken: Set<number>): void {
  for (let index = bar.index; index < bar.index + barRegisters(bar); index += 1) {
    if (!Number.isInteger(index) || index < 0 || index > 5) {
      throw modelError(name, `BAR${bar.index} must have its registers at indexes from 0 to 5. Received ${index}`);
    }
    if (taken.has(index))
      throw modelError(name, `BAR${bar.index} overlaps the register at index ${index} of another BAR`);
    taken.add(index);
  }
  const [least, most] = bar.kind === 'io' ? [4, 256] : [16, bar.kind === 'memory32' ? 2 ** 31 : 2 ** 40];
  if (!isPowerOfTwo(bar.size) || bar.size < least || bar.size > most) {
    throw modelError(
      name,
      `the size of BAR${bar.index} must be a power of two from ${least} to ${most}. Received ${bar.size}`,
    );
  }
  validateMappedAreas(name, bar);
}

function validateMappedAreas(name: string, bar: BarLayout): void {
  const areas = mappedAreas(bar);
  if (bar.kind === 'io' && areas.length > 0)
    throw modelError(name, `BAR${bar.index} has I/O ports, which cannot be mapped`);
  let end = 0;
  for (const { offset, size } of areas) {
    const aligned = offset % AREA_ALIGNMENT === 0 && size % AREA_ALIGNMENT === 0 && size > 0;
    const ordered = offset >= end && offset + size <= bar.size;
    if (!aligned || !ordered) {
      const rule = `must be aligned to ${AREA_ALIGNMENT}, ascending and inside the BAR`;
      throw modelError(name, `the mapped areas of BAR${bar.index} ${rule}. Received offset ${offset}, size ${size}`);
    }
    end = offset + size;
  }
}

function validateMsix(model: PciModel, msix: NonNullable<PciModel['msix']>): void {
  const { vectors, table, pba } = msix;
  if (!Number.isInteger(vectors) || vectors < 1 || vectors > MAX_MSIX_VECTORS) {
    throw modelError(
      model.name,
      `\`msix.vectors\` must be an integer from 1 to ${MAX_MSIX_VECTORS}. Received ${vectors}`,
    );
  }
  const tableSize = vectors * PCI_MSIX_ENTRY_SIZE;
  const pbaSize = Math.ceil(vectors / 64) * 8;
  validateMsixArea(model, 'table', table, tableSize);
  validateMsixArea(model, 'pending bits', pba, pbaSize);
  if (table.bar === pba.bar && overlap(table.offset, tableSize, pba.offset, pbaSize)) {
    throw modelError(model.name, 'the MSI-X table and the pending bits overlap');
  }
}

function validateMsixArea(model: PciModel, part: string, place: BarOffset, size: number): void {
  const bar = model.bars.find((candidate) => candidate.index === place.bar);
  const fits = bar !== undefined && bar.kind !== 'io' && place.offset % 8 === 0 && place.offset + size <= bar.size;
  if (!fits) throw modelError(model.name, `the MSI-X ${part} must be 8-byte aligned inside a memory BAR`);
  if (mappedAreas(bar).some((area) => overlap(area.offset, area.size, place.offset, size))) {
    throw modelError(model.name, `the MSI-X ${part} must not be in a mapped area`);
  }
}

function overlap(start: number, size: number, otherStart: number, otherSize: number): boolean {
  return start < otherStart + otherSize && otherStart < start + size;
}

function modelError(name: string, problem: string): Error {
  return invalidArgument(`the model ${name}: ${problem}`);
}
