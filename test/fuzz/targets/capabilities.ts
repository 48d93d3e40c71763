/**
 * Capability chains: those of the kernel's answers about regions and IOMMUs, and those of config space. A reader returns a
 * value or throws ERR_PROTOCOL. What it returns lies inside the bytes, and what is then mapped lies inside the region.
 *
 * An input is a byte that chooses the reader, and the bytes that it reads.
 */
import assert from 'node:assert/strict';

import { VfioError } from '../../../lib/base/errors.js';
import { walkCapabilities, walkExtendedCapabilities, type Capability } from '../../../lib/config-space/capabilities.js';
import { parseHeader } from '../../../lib/config-space/header.js';
import type { RegionInfo } from '../../../lib/kernel/kernel.js';
import { parseDeviceInfos, parseIommuInfo, parseRegionInfo } from '../../../lib/kernel/linux/parse-infos.js';
import { planAreas } from '../../../lib/region/plan.js';
import { PCI_CFG_SPACE_EXP_SIZE, PCI_CFG_SPACE_SIZE, PCI_STD_HEADER_SIZEOF } from '../../../lib/uapi/pci.js';
import { VFIO_IOMMU_TYPE1_INFO_SIZE, VFIO_REGION_INFO_MINSZ } from '../../../lib/uapi/vfio-sizes.js';
import { Input } from '../input.js';

const PAGE = 4096;
const LARGEST_CAPABILITY_OFFSET = 0xff;

const readers: readonly ((input: Input) => void)[] = [
  readRegion,
  readRegions,
  readIommu,
  readConfig,
  readExpressConfig,
];

export const seeds: readonly Uint8Array[] = [regionSeed(0), regionSeed(1), iommuSeed(), configSeed(3), configSeed(4)];

export function fuzz(bytes: Uint8Array): void {
  const input = new Input(bytes);
  try {
    readers[input.u8() % readers.length]?.(input);
  } catch (error) {
    if (!(error instanceof VfioError)) throw error;
    assert.equal(error.code, 'ERR_PROTOCOL');
  }
}

function readRegion(input: Input): void {
  checkRegion(parseRegionInfo(input.rest(VFIO_REGION_INFO_MINSZ)), input);
}

function readRegions(input: Input): void {
  const plain = BigUint64Array.from({ length: 9 }, () => BigInt(input.u32()));
  const irqs = BigUint64Array.from({ length: 4 }, () => BigInt(input.u32()));
  const { regions, irqs: found } = parseDeviceInfos(plain, { 1: input.rest(VFIO_REGION_INFO_MINSZ) }, irqs);
  assert.equal(regions.length, 3);
  assert.equal(found.length, 2);
  for (const region of regions) if (region !== undefined) checkRegion(region, input);
}

/** What is mapped lies inside the region, in order and without overlap. */
function checkRegion(info: RegionInfo, input: Input): void {
  // The kernel's regions end below 2^63, and offsets of regions are safe integers in JavaScript.
  if (info.size > BigInt(Number.MAX_SAFE_INTEGER)) return;
  const table = input.u8() % 2 === 0 ? undefined : { offset: input.u16() * 16, size: (input.u16() & 2047) * 16 + 16 };
  let end = 0;
  for (const { offset, size } of planAreas(info, PAGE, { msixTable: table })) {
    assert.ok(offset >= end && size > 0, 'areas ascend and do not overlap');
    assert.ok(offset % PAGE === 0, 'an area begins at a page');
    end = offset + size;
    assert.ok(end <= Number(info.size), 'an area lies inside its region');
  }
}

function readIommu(input: Input): void {
  const bytes = input.rest(VFIO_IOMMU_TYPE1_INFO_SIZE);
  const { iovaRanges = [], dmaAvailable = 0 } = parseIommuInfo(bytes);
  assert.ok(iovaRanges.length * 16 <= bytes.length, 'no more ranges than the answer has');
  assert.ok(dmaAvailable >= 0 && dmaAvailable <= 0xffff_ffff);
}

function readConfig(input: Input): void {
  const config = input.rest(PCI_CFG_SPACE_SIZE);
  checkChain(walkCapabilities(config), PCI_STD_HEADER_SIZEOF, LARGEST_CAPABILITY_OFFSET);
  checkChain(walkExtendedCapabilities(config.subarray(0, PCI_CFG_SPACE_SIZE)), 0, 0);
  const { bars } = parseHeader(config);
  assert.ok(bars.length <= 6 && bars.every(({ barIndex }) => barIndex < 6));
}

function readExpressConfig(input: Input): void {
  // The chain begins at 0x100. Not many inputs are that long, so the first bytes stand there.
  const config = new Uint8Array(PCI_CFG_SPACE_EXP_SIZE);
  const bytes = input.rest(0);
  config.set(bytes.subarray(0, PCI_CFG_SPACE_EXP_SIZE - PCI_CFG_SPACE_SIZE), PCI_CFG_SPACE_SIZE);
  checkChain(walkExtendedCapabilities(config), PCI_CFG_SPACE_SIZE, PCI_CFG_SPACE_EXP_SIZE - 4);
}

/** A chain has each place once, so that it ends. */
function checkChain(chain: readonly Capability[], first: number, last: number): void {
  assert.equal(new Set(chain.map(({ offset }) => offset)).size, chain.length, 'no capability twice');
  for (const { offset } of chain) {
    assert.ok(offset >= first && offset <= last && offset % 4 === 0, `a capability at ${offset}`);
  }
}

function regionSeed(choice: number): Uint8Array {
  const words = choice === 0 ? [] : new Array<number>(13).fill(3);
  words.push(120, 15, 2, 32, 0x8000, 0, 0, 0);
  words.push(1 | (1 << 16), 72, 1, 0, 0x1000, 0, 0x2000, 0, 3 | (1 << 16), 88, 2 | (1 << 16), 0, 7, 8);
  return Uint8Array.from([choice, ...new Uint8Array(Uint32Array.from(words).buffer)]);
}

function iommuSeed(): Uint8Array {
  const words = [112, 3, 0x1000, 0, 24, 0, 1 | (1 << 16), 56, 1, 0, 0x1000, 0, 0xffff, 0];
  words.push(3 | (2 << 16), 68, 65535, 2 | (1 << 16), 0, 0, 0, 0x1000, 0, 0x1000, 0);
  return Uint8Array.from([2, ...new Uint8Array(Uint32Array.from(words).buffer)]);
}

function configSeed(choice: number): Uint8Array {
  const config = new Uint8Array(PCI_CFG_SPACE_SIZE);
  config.set([0x10], 6);
  config.set([0x40], 0x34);
  config.set([5, 0x50, 0, 0], 0x40);
  config.set([0x11, 0], 0x50);
  if (choice === 4) config.set([1, 0, 1, 0x14, 0, 0, 0, 0], 0);
  return Uint8Array.from([choice, ...config]);
}
