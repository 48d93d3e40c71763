import assert from 'node:assert/strict';

import type { BarLayout, PciModel } from '../../../lib/models/pci-model.js';
import { steps, type Area } from '../../../lib/models/pci-function/access-steps.js';
import { getValue, putValue } from '../../../lib/models/pci-function/register-values.js';
import { buildConfigImage } from '../../../lib/models/pci-function/config-image.js';
import { type ConfigEffects, EmulatedConfig } from '../../../lib/models/pci-function/emulated-config.js';
import { Timers } from '../../../lib/models/pci-function/timers.js';
import { validateModel } from '../../../lib/models/pci-function/validate-model.js';
import { OwnedResources } from '../../../lib/vfio-user/server/owned-resources.js';
import { addon } from '../../../lib/native/addon.js';
import { PROT_READ } from '../../../lib/uapi/mman.js';

const base: PciModel = {
  name: 'plain',
  identity: {
    vendorId: 0xabcd,
    deviceId: 0x1234,
    classCode: 0x010802,
    revisionId: 7,
    subsystemVendorId: 1,
    subsystemId: 2,
  },
  bars: [],
  resettable: false,
  create: () => ({ read: () => 0, write: () => undefined, reset: () => undefined }),
};
const bar = (layout: Partial<BarLayout>): BarLayout => ({ index: 0, size: 4096, kind: 'memory32', ...layout });

describe('validateModel', () => {
  it('accepts a valid model', () => {
    const bars = [
      bar({ index: 0, kind: 'memory64', size: 1 << 20, mapped: true }),
      bar({ index: 2, kind: 'io', size: 64 }),
    ];
    assert.doesNotThrow(() => validateModel({ ...base, bars, msi: { vectors: 32 } }));
  });

  const refused: [problem: string, model: unknown][] = [
    ['undefined', undefined],
    ['a model without create', { ...base, create: undefined }],
    ['a BAR size that is not a power of two', { ...base, bars: [bar({ size: 5000 })] }],
    ['a BAR 6', { ...base, bars: [bar({ index: 6 })] }],
    ['a 64-bit BAR 5', { ...base, bars: [bar({ index: 5, kind: 'memory64' })] }],
    ['two BARs at one index', { ...base, bars: [bar({ kind: 'memory64' }), bar({ index: 1 })] }],
    ['512 ports', { ...base, bars: [bar({ kind: 'io', size: 512 })] }],
    ['mapped ports', { ...base, bars: [bar({ kind: 'io', size: 256, mapped: true })] }],
    ['a mapped BAR smaller than a page', { ...base, bars: [bar({ size: 2048, mapped: true })] }],
    ['a mapped area that exceeds its BAR', { ...base, bars: [bar({ mapped: [{ offset: 4096, size: 4096 }] })] }],
    [
      'a mapped area that is not page-aligned',
      { ...base, bars: [bar({ size: 16384, mapped: [{ offset: 100, size: 4096 }] })] },
    ],
    ['three MSI vectors', { ...base, msi: { vectors: 3 } }],
    [
      'an MSI-X table in an absent BAR',
      { ...base, msix: { vectors: 1, table: { bar: 0, offset: 0 }, pba: { bar: 0, offset: 16 } } },
    ],
    [
      'an MSI-X table in mapped memory',
      {
        ...base,
        bars: [bar({ mapped: true })],
        msix: { vectors: 1, table: { bar: 0, offset: 0 }, pba: { bar: 0, offset: 64 } },
      },
    ],
    [
      'MSI-X pending bits inside the table',
      { ...base, bars: [bar({})], msix: { vectors: 2, table: { bar: 0, offset: 0 }, pba: { bar: 0, offset: 24 } } },
    ],
  ];
  for (const [problem, model] of refused) {
    it(`rejects ${problem}`, () => assert.throws(() => validateModel(model), { code: 'ERR_INVALID_ARGUMENT' }));
  }
});

describe('config space', () => {
  const quiet: ConfigEffects = { changed: () => undefined, functionReset: () => assert.fail() };
  const MSIX = { vectors: 2, table: { bar: 0, offset: 0 }, pba: { bar: 0, offset: 64 } };

  it('has the flags of MSI and MSI-X as the device has them: vfio-pci virtualizes them', () => {
    const image = buildConfigImage({ ...base, bars: [bar({})], msi: { vectors: 4 }, msix: MSIX });
    const config = new EmulatedConfig(image, quiet);
    const written = (capability = 0, ...bytes: number[]): number[] => {
      config.write(capability + 2, Uint8Array.from(bytes));
      const seen = new Uint8Array(2);
      config.read(capability + 2, seen);
      return [...seen];
    };
    assert.deepEqual(written(image.offsets.msi, 0xff, 0xff), [0xf5, 0x00]);
    assert.equal(config.msiEnabled, true);
    assert.deepEqual(written(image.offsets.msi, 0x00), [0x84, 0x00]);
    assert.equal(config.msiEnabled, false);
    assert.deepEqual(written(image.offsets.msix, 0xff, 0xff), [0x01, 0xc0]);
    assert.equal(config.msixMasked, true);
  });

  it('has the enable bits set and cleared by the client’s vectors', () => {
    const image = buildConfigImage({ ...base, bars: [bar({})], msi: { vectors: 4 }, msix: MSIX });
    const config = new EmulatedConfig(image, quiet);
    config.write((image.offsets.msix ?? 0) + 3, Uint8Array.of(0x40));
    config.enableMsi(true);
    config.enableMsix(true);
    assert.deepEqual([config.msiEnabled, config.msixMasked], [true, false], 'the kernel clears the function mask');
    config.enableMsi(false);
    assert.equal(config.msiEnabled, false);
  });

  it('has 256 bytes without PCI Express, and no capability bit without capabilities', () => {
    const { bytes, offsets } = buildConfigImage(base);
    assert.equal(bytes.length, 256);
    assert.deepEqual([bytes[0x06], bytes[0x34], offsets], [0, 0, {}]);
    assert.deepEqual([...bytes.subarray(0, 12)], [0xcd, 0xab, 0x34, 0x12, 0, 0, 0, 0, 7, 0x02, 0x08, 0x01]);
    assert.deepEqual([...bytes.subarray(0x2c, 0x30)], [1, 0, 2, 0]);
  });

  it('changes only writable bits, in writes of any width, and shows the level of INTx', () => {
    let changes = 0;
    const image = buildConfigImage({ ...base, bars: [bar({})], interruptPin: 1 });
    const config = new EmulatedConfig(image, { ...quiet, changed: () => (changes += 1) });
    config.write(4, Uint8Array.of(0xff));
    assert.deepEqual(
      [config.memoryEnabled, config.ioEnabled, config.busMaster, config.interruptDisabled],
      [true, true, true, false],
    );
    config.write(5, Uint8Array.of(4));
    assert.equal(config.interruptDisabled, true);
    config.interruptStatus = true;
    config.write(6, Uint8Array.of(0, 0xff));
    const status = new Uint8Array(2);
    config.read(6, status);
    assert.deepEqual([...status], [8, 0]);
    assert.equal(changes, 3);
  });

  it('requests a function-level reset by a write of the byte or the word with that bit', () => {
    let resets = 0;
    const image = buildConfigImage({ ...base, express: true });
    const config = new EmulatedConfig(image, { ...quiet, functionReset: () => (resets += 1) });
    const control = (image.offsets.express ?? 0) + 8;
    config.write(control + 1, Uint8Array.of(0x80));
    config.write(control, Uint8Array.of(0, 0x80, 0, 0));
    config.write(control, Uint8Array.of(0x80));
    config.write(control + 2, Uint8Array.of(0x80, 0x80));
    assert.equal(resets, 2);
  });
});

describe('an access to a BAR', () => {
  const areas: Area[] = [
    { start: 8, end: 16, kind: 'memory' },
    { start: 32, end: 36, kind: 'msix' },
  ];
  const split = (offset: number, length: number): string[] =>
    [...steps(areas, offset, length)].map((step) => `${step.kind[0]}${step.offset}+${step.length}`);

  it('is split at areas, and by alignment between areas', () => {
    assert.deepEqual(split(0, 8), ['r0+8']);
    assert.deepEqual(split(4, 8), ['r4+4', 'm8+4']);
    assert.deepEqual(split(15, 6), ['m15+1', 'r16+4', 'r20+1']);
    assert.deepEqual(split(30, 10), ['r30+2', 'm32+4', 'r36+4']);
    assert.deepEqual(split(41, 15), ['r41+1', 'r42+2', 'r44+4', 'r48+8']);
    assert.deepEqual(split(0, 0), []);
  });

  it('reads and writes values of each width, and drops higher bits', () => {
    for (const [width, value, back] of [
      [1, 0x1ff, 0xff],
      [2, -1, 0xffff],
      [4, 0x1_2345_6789n, 0x2345_6789],
      [8, (1n << 65n) + 5n, 5n],
      [8, 7, 7n],
    ] as const) {
      const bytes = new Uint8Array(width);
      putValue(bytes, value);
      assert.equal(getValue(bytes), back);
    }
  });
});

describe('timers', () => {
  it('run in the order of their times, skip cancelled calls, and run newly scheduled calls the next time', async () => {
    const timers = new Timers();
    const ran: string[] = [];
    assert.equal(timers.run(), Infinity);
    timers.schedule(500, () => ran.push('later'));
    timers.schedule(0, () => {
      ran.push('first');
      timers.schedule(0, () => ran.push('nested'));
    });
    timers.schedule(0, () => ran.push('cancelled'))();
    assert.ok(timers.run() <= 500);
    assert.deepEqual(ran, ['first']);
    await new Promise((resolve) => setTimeout(resolve, 510));
    assert.equal(timers.run(), Infinity);
    assert.deepEqual(ran, ['first', 'nested', 'later']);
  });
});

describe('owned resources', () => {
  it('are closed by another thread that has the table', () => {
    const memory = OwnedResources.memory(2);
    const owned = new OwnedResources(memory);
    const [first, second, third] = [addon.eventfdCreate(), addon.eventfdCreate(), addon.eventfdCreate()];
    owned.adoptFd(first);
    owned.adoptFd(second);
    assert.throws(() => owned.adoptFd(third), { code: 'EMFILE' });
    assert.equal(addon.isOpenFd(third), false, 'a descriptor that does not fit is closed');
    owned.closeFd(first);
    assert.deepEqual([owned.hasFd(first), owned.hasFd(second)], [false, true]);
    new OwnedResources(memory).closeAll();
    assert.deepEqual(
      [first, second].map((fd) => addon.isOpenFd(fd)),
      [false, false],
    );
    const both = new OwnedResources(memory);
    both.adoptFd(addon.eventfdCreate());
    both.adoptFd(addon.eventfdCreate());
    both.closeAll();
  });

  it('can be mappings of any handle: more than 2^31 after 8,192 mappings of a process', () => {
    const fd = addon.memfdCreate('owned', 4096n, 0);
    const map = (): number => addon.mappingCreate(fd, 0n, 4096, PROT_READ);
    let mapping = map();
    for (; mapping < 2 ** 31; mapping = map()) addon.mappingClose(mapping);
    const memory = OwnedResources.memory(2);
    new OwnedResources(memory).adoptMapping(mapping);
    new OwnedResources(memory).closeAll();
    assert.throws(() => addon.mappingClose(mapping), { code: 'EBADF' });
    addon.closeFdSync(fd);
  });
});
