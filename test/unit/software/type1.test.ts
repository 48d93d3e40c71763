import assert from 'node:assert/strict';

import fc from 'fast-check';

import { IommuGroup } from '../../../lib/software/iommu/iommu-group.js';
import { SoftwareMachine } from '../../../lib/software/machine/software-machine.js';
import {
  machineSettings,
  type DeviceOptions,
  type ProcessOptions,
} from '../../../lib/software/machine/machine-options.js';
import type { SoftwareProcess } from '../../../lib/software/machine/software-process.js';
import { Type1, type Type1Environment } from '../../../lib/software/type1/type1.js';
import { outcome, RecordingDomain } from './fixture.js';

const PAGE = 4096n;
const settings = machineSettings({});

let onMap: (iova: bigint) => void = () => undefined;

function environment(domains: RecordingDomain[], change: Partial<Type1Environment> = {}): Type1Environment {
  const createDomain = (): RecordingDomain => {
    const domain = new RecordingDomain();
    domain.onMap = (iova): void => onMap(iova);
    domains.push(domain);
    return domain;
  };
  return { settings, createDomain, probeMemory: () => true, ...change };
}

function group(id: number, device: Partial<DeviceOptions> = {}): IommuGroup {
  const made = new IommuGroup(id, settings);
  made.devices.push({
    name: String(id),
    isolatedInterrupts: device.isolatedInterrupts ?? true,
    enforcesCoherency: device.enforcesCoherency ?? false,
    reservedRegions: device.reservedRegions ?? [],
    addressWidth: device.addressWidth ?? 48,
    setDomain: () => undefined,
  });
  return made;
}

function caller(options: ProcessOptions = {}): SoftwareProcess {
  return new SoftwareMachine().process(options);
}

const map = (iova: bigint, size: bigint, flags = 3): { flags: number; iova: bigint; size: bigint; vaddr: bigint } => ({
  flags,
  iova,
  size,
  vaddr: 0x7000_0000_0000n + iova,
});

describe('software core: type1', () => {
  let domains: RecordingDomain[];
  beforeEach(() => (domains = []));

  it('rejects a group without devices with ENODEV, and keeps no state of it', async () => {
    const type1 = new Type1(environment(domains), 'v2');
    assert.equal(await outcome(() => type1.attachGroup(new IommuGroup(1, settings), 'iommu')), '-1 ENODEV');
    assert.equal(
      domains.every((domain) => domain.closed),
      true,
    );
  });

  it('undoes an attach if a mapping cannot be replayed', async () => {
    const me = caller({ capIpcLock: false, memlockLimit: 1 << 20 });
    const type1 = new Type1(environment(domains), 'v2');
    await type1.attachGroup(group(1), 'iommu');
    await type1.map(map(0x1000n, PAGE), me);
    await type1.map(map(0x5000n, PAGE), me);
    const second = group(2, { enforcesCoherency: true });
    const failing = new Type1Failure();
    onMap = (iova): void => {
      if (iova === 0x5000n) throw failing;
    };
    await assert.rejects(type1.attachGroup(second, 'iommu'), failing);
    onMap = (): void => undefined;
    assert.equal(second.domain, null);
    assert.deepEqual(
      domains.map((domain) => domain.closed),
      [false, true],
    );
    assert.equal(me.lockedBytes, 2n * PAGE);
    assert.equal(await outcome(() => type1.attachGroup(second, 'iommu')), '0');
  });

  it('unpins the memory that a failed replay had pinned', async () => {
    const me = caller();
    const type1 = new Type1(environment(domains), 'v2');
    await type1.attachGroup(group(1), 'emulated');
    await type1.map(map(0x1000n, PAGE), me);
    await type1.map(map(0x5000n, PAGE), me);
    onMap = (iova): void => {
      if (iova === 0x5000n) throw new Type1Failure();
    };
    await assert.rejects(type1.attachGroup(group(2), 'iommu'), Type1Failure);
    onMap = (): void => undefined;
    assert.equal(me.lockedBytes, 0n);
    await type1.attachGroup(group(2), 'iommu');
    assert.equal(me.lockedBytes, 2n * PAGE);
  });

  it('rejects a group that cannot have the existing mappings', async () => {
    const me = caller();
    const type1 = new Type1(environment(domains), 'v2');
    await type1.attachGroup(group(1), 'iommu');
    await type1.map(map(1n << 40n, PAGE), me);
    await type1.map(map(0x10000n, PAGE), me);
    const narrow = group(2, { addressWidth: 39 });
    const reserving = group(3, { reservedRegions: [{ start: 0x10000n, last: 0x1ffffn, type: 'direct' }] });
    const relaxed = group(4, { reservedRegions: [{ start: 0x10000n, last: 0x1ffffn, type: 'direct-relaxable' }] });
    assert.equal(await outcome(() => type1.attachGroup(narrow, 'iommu')), '-1 EINVAL');
    assert.equal(await outcome(() => type1.attachGroup(reserving, 'iommu')), '-1 EINVAL');
    assert.equal(await outcome(() => type1.attachGroup(relaxed, 'iommu')), '0');
    await type1.unmap({ flags: 2, iova: 0n, size: 0n });
    assert.equal(await outcome(() => type1.attachGroup(narrow, 'iommu')), '0');
    assert.equal(type1.getInfo(undefined).iovaRanges?.at(-1)?.last, (1n << 39n) - 1n);
    await type1.detachGroup(narrow);
    assert.equal(type1.getInfo(undefined).iovaRanges?.at(-1)?.last, (1n << 48n) - 1n);
  });

  it('changes the address of mapped memory with the VADDR flags', async () => {
    const me = caller();
    const type1 = new Type1(environment(domains), 'v2');
    await type1.attachGroup(group(1), 'iommu');
    await type1.map(map(0x1000n, PAGE), me);
    assert.equal(await outcome(() => type1.map(map(0x1000n, PAGE, 4), me)), '-1 EINVAL');
    assert.deepEqual(await type1.unmap({ flags: 4, iova: 0x1000n, size: PAGE }), { size: PAGE });
    assert.equal(await outcome(() => type1.unmap({ flags: 4, iova: 0x1000n, size: PAGE })), '-1 EINVAL');
    assert.equal(await outcome(() => type1.attachGroup(group(2), 'iommu')), '-1 EBUSY');
    await type1.map({ ...map(0x1000n, PAGE, 4), vaddr: 0x5000n }, me);
    assert.equal(domains[0]?.mapped.get(0x1000n)?.vaddr, 0x5000n);
    assert.equal(await outcome(() => type1.attachGroup(group(2), 'iommu')), '0');
  });

  it('records dirty pages for v2 only', async () => {
    const me = caller();
    const v1 = new Type1(environment(domains), 'v1');
    assert.equal(await outcome(() => v1.setDirtyTracking(true)), '-1 EACCES');
    const type1 = new Type1(environment(domains), 'v2');
    await type1.attachGroup(group(1), 'iommu');
    await type1.map(map(0x10000n, 16n * PAGE), me);
    const range = { iova: 0x10000n, size: 16n * PAGE, pageSize: PAGE };
    const unmap = { flags: 1, iova: 0x10000n, size: 16n * PAGE, bitmap: { pageSize: PAGE, size: 8n } };
    assert.equal(await outcome(() => type1.getDirtyBitmap(range)), '-1 EINVAL');
    assert.equal(await outcome(() => type1.unmap(unmap)), '-1 EINVAL');
    await type1.setDirtyTracking(true);
    await type1.setDirtyTracking(true);
    assert.equal(await outcome(() => type1.getDirtyBitmap({ ...range, pageSize: 2n * PAGE })), '-1 EINVAL');
    assert.equal(await outcome(() => type1.getDirtyBitmap({ ...range, size: 0n })), '-1 EINVAL');
    assert.equal(await outcome(() => type1.getDirtyBitmap({ ...range, size: PAGE })), '-1 EINVAL');
    const words = Uint8Array.of(0xff, 0xff, 0, 0, 0, 0, 0, 0);
    assert.deepEqual(await type1.getDirtyBitmap(range), words);
    assert.equal(await outcome(() => type1.unmap({ ...unmap, bitmap: { pageSize: PAGE, size: 1n } })), '-1 EINVAL');
    assert.deepEqual(await type1.unmap(unmap), { size: 16n * PAGE, bitmap: words });
    await type1.setDirtyTracking(false);
    assert.equal(domains.at(-1)?.dirtyPageSize, 0n);
  });

  it('pins the memory of a mediated device when a device behind an IOMMU joins the container', async () => {
    const me = caller();
    const probed: bigint[] = [];
    const probeMemory = (vaddr: bigint): boolean => probed.push(vaddr) > 0;
    const type1 = new Type1(environment(domains, { probeMemory }), 'v2');
    const mediated = group(1);
    await type1.attachGroup(mediated, 'emulated');
    assert.equal(type1.checkExtension(10), 0);
    await type1.map(map(0xfee00000n, PAGE), me);
    assert.deepEqual([probed.length, me.lockedBytes], [0, 0n]);
    assert.equal(await outcome(() => type1.attachGroup(group(2), 'iommu')), '-1 EINVAL');
    await type1.unmap({ flags: 2, iova: 0n, size: 0n });
    await type1.map(map(0x1000n, PAGE), me);
    const real = group(2);
    await type1.attachGroup(real, 'iommu');
    assert.deepEqual([probed.length, me.lockedBytes], [1, PAGE]);
    await type1.detachGroup(real);
    assert.equal(me.lockedBytes, 0n);
    assert.deepEqual(await type1.unmap({ flags: 2, iova: 0n, size: 0n }), { size: PAGE });
  });

  for (const version of ['v1', 'v2'] as const) {
    it(`${version}: maps and unmaps as a page-by-page model does`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
          const type1 = new Type1(environment([], { settings: machineSettings({ dmaEntryLimit: 12 }) }), version);
          await type1.attachGroup(group(1), 'iommu');
          const model = new NaiveAddressSpace(version, 12);
          const me = caller();
          for (const { unmap, start, pages } of steps) {
            const range = { iova: BigInt(start) * PAGE, size: BigInt(pages) * PAGE };
            const real = unmap
              ? await outcome(
                  () => type1.unmap({ flags: 0, ...range }),
                  ({ size }) => String(size / PAGE),
                )
              : await outcome(() => type1.map(map(range.iova, range.size), me));
            assert.equal(real, unmap ? model.unmap(start, pages) : model.map(start, pages));
            assert.equal(type1.getInfo(undefined).dmaAvailable, 12 - model.count);
            assert.equal(me.lockedBytes, BigInt(model.pages) * PAGE);
          }
        }),
        { numRuns: 300 },
      );
    });
  }

  it('holds 65,535 mappings and rejects one more', async () => {
    const me = caller();
    const type1 = new Type1(environment(domains), 'v2');
    await type1.attachGroup(group(1), 'iommu');
    for (let index = 0; index < 65535; index += 1) {
      // Not in order: inserting into the middle of the list is the slowest case.
      await type1.map(map(BigInt((index * 40503) % 65536) * PAGE, PAGE), me);
    }
    assert.equal(await outcome(() => type1.map(map(1n << 40n, PAGE), me)), '-1 ENOSPC');
    assert.equal(type1.getInfo(undefined).dmaAvailable, 0);
    assert.deepEqual(await type1.unmap({ flags: 2, iova: 0n, size: 0n }), { size: 65535n * PAGE });
  }).timeout(60_000);
});

const step = fc.record({
  unmap: fc.boolean(),
  start: fc.integer({ min: 0, max: 40 }),
  pages: fc.integer({ min: 0, max: 12 }),
});

class Type1Failure extends Error {}

/** A simple reference: the mapping of each page. */
class NaiveAddressSpace {
  readonly #pages = new Map<number, number>();
  #next = 0;

  constructor(
    private readonly version: 'v1' | 'v2',
    private readonly limit: number,
  ) {}

  get count(): number {
    return new Set(this.#pages.values()).size;
  }

  get pages(): number {
    return this.#pages.size;
  }

  map(start: number, pages: number): string {
    if (pages === 0) return '-1 EINVAL';
    if (range(start, pages).some((page) => this.#pages.has(page))) return '-1 EEXIST';
    if (this.count === this.limit) return '-1 ENOSPC';
    for (const page of range(start, pages)) this.#pages.set(page, this.#next);
    this.#next += 1;
    return '0';
  }

  unmap(start: number, pages: number): string {
    if (pages === 0) return '-1 EINVAL';
    const touched = new Set(range(start, pages).map((page) => this.#pages.get(page)));
    touched.delete(undefined);
    const owned = (page: number): number | undefined => this.#pages.get(page);
    const cut = (page: number): boolean => owned(page) !== undefined && owned(page) === owned(page - 1);
    if (this.version === 'v2' && (cut(start) || cut(start + pages))) return '-1 EINVAL';
    if (this.version === 'v1' && cut(start)) return '0';
    const victims = [...this.#pages].filter(([, mapping]) => touched.has(mapping));
    for (const [page] of victims) this.#pages.delete(page);
    return String(victims.length);
  }
}

function range(start: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => start + index);
}
