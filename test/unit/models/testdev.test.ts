import assert from 'node:assert/strict';

import type { ModelInstance } from '../../../lib/models/pci-model.js';
import { validateModel } from '../../../lib/models/pci-function/validate-model.js';
import testdev from '../../../lib/models/testdev/testdev.js';
import { DMA, IDENT, REG } from '../../../lib/models/testdev/layout.js';
import { FakeHost } from '../../support/fake-host.js';

describe('the testdev model', () => {
  let host: FakeHost;
  let device: ModelInstance;
  const read = (offset: number, width = 4): number | bigint => device.read(2, offset, width);
  const write = (offset: number, value: number | bigint, width = 4): void => device.write(2, offset, width, value);

  beforeEach(() => {
    host = new FakeHost();
    device = testdev.create(host, undefined);
  });

  it('is a valid model', () => {
    assert.equal(validateModel(testdev), testdev);
    assert.equal(read(REG.IDENT), IDENT);
  });

  it('counts the reads of COUNTER', () => {
    assert.deepEqual([read(REG.COUNTER), read(REG.COUNTER), read(REG.COUNTER)], [0, 1, 2]);
    assert.equal(read(REG.COUNTER, 2), 0);
    assert.equal(read(REG.COUNTER), 3, 'another width does not count');
  });

  it('clears events by writing ones', () => {
    write(REG.EVENTS_SET, 0x8000_00f0);
    write(REG.EVENTS, 0x8000_0030);
    assert.equal(read(REG.EVENTS), 0xc0);
  });

  it('keeps 64 bits, written whole and in halves', () => {
    write(REG.SCRATCH64, 0x0123_4567_89ab_cdefn, 8);
    assert.equal(read(REG.SCRATCH64_HIGH), 0x0123_4567);
    write(REG.SCRATCH64, 0xffff_ffff);
    assert.equal(read(REG.SCRATCH64, 8), 0x0123_4567_ffff_ffffn);
  });

  it('sends single messages and bursts, and drives INTx', () => {
    write(REG.RAISE, 3);
    write(REG.BURST, (5 << 16) | 4);
    assert.deepEqual(host.messages, [3, 5, 5, 5, 5]);
    assert.equal(read(REG.MESSAGES), 5);
    write(REG.LINE, 1);
    assert.equal(host.line, true);
  });

  it('records how its probe area was accessed', () => {
    write(REG.PROBE + 6, 0xbeef, 2);
    assert.equal(read(REG.LAST_ACCESS), ((REG.PROBE + 6) << 8) | 0x12);
    assert.equal(read(REG.PROBE + 7, 1), 0xbe);
    assert.equal(read(REG.LAST_ACCESS), ((REG.PROBE + 7) << 8) | 0x01);
  });

  it('counts down to 0 and stays there', () => {
    write(REG.STEP, 2);
    assert.deepEqual([read(REG.STEP), read(REG.STEP), read(REG.STEP), read(REG.STEP)], [2, 1, 0, 0]);
  });

  it('delays accesses to SLOW', () => {
    write(REG.DELAY, 20);
    const start = performance.now();
    write(REG.SLOW, 9);
    assert.ok(performance.now() - start >= 15);
    write(REG.DELAY, 0);
    assert.equal(read(REG.SLOW), 9);
    write(REG.DELAY, 0xffff_ffff);
    assert.equal(read(REG.DELAY), 10_000);
  });

  it('throws in accesses to FAULT as configured', () => {
    assert.equal(read(REG.FAULT), 0);
    write(REG.FAULT, 2);
    for (let i = 0; i < 2; i += 1) assert.throws(() => read(REG.FAULT), /FAULT was read/);
    assert.equal(read(REG.FAULT), 0);
    assert.throws(() => write(REG.FAULT, 0), /FAULT was written/);
  });

  it('copies between memory and memory, and between memory and BAR0', () => {
    host.memory.set([9, 8, 7], 0x40);
    write(REG.DMA_SOURCE, 0x40n, 8);
    write(REG.DMA_TARGET, 0x80);
    write(REG.DMA_LENGTH, 3);
    write(REG.DMA_CONTROL, DMA.START | DMA.MESSAGE | (6 << 8));
    assert.equal(read(REG.DMA_STATUS), DMA.BUSY);
    host.tick();
    assert.equal(read(REG.DMA_STATUS), DMA.DONE);
    assert.deepEqual([...host.memory.subarray(0x80, 0x83)], [9, 8, 7]);
    assert.deepEqual(host.messages, [6]);
    write(REG.DMA_CONTROL, DMA.START | DMA.TARGET_IS_BAR0 | DMA.AT_ONCE);
    assert.deepEqual([...host.barMemory(0).subarray(0x80, 0x83)], [9, 8, 7]);
    write(REG.DMA_SOURCE, 0x80);
    write(REG.DMA_TARGET, 0x8000);
    write(REG.DMA_CONTROL, DMA.START | DMA.SOURCE_IS_BAR0 | DMA.AT_ONCE);
    assert.deepEqual([...host.memory.subarray(0x8000, 0x8003)], [9, 8, 7]);
    assert.equal(read(REG.DMA_COUNT), 3);
  });

  it('refuses a copy past the end of BAR0, a copy that is too long, and one that memory refuses', () => {
    const run = (control: number): number | bigint => {
      write(REG.DMA_CONTROL, DMA.START | DMA.AT_ONCE | control);
      return read(REG.DMA_STATUS);
    };
    write(REG.DMA_SOURCE, 0xffffn, 8);
    write(REG.DMA_LENGTH, 2);
    assert.equal(run(DMA.SOURCE_IS_BAR0), DMA.REFUSED);
    write(REG.DMA_SOURCE, 0n, 8);
    assert.equal(run(DMA.SOURCE_IS_BAR0), DMA.DONE);
    write(REG.DMA_LENGTH, DMA.MAX_LENGTH + 1);
    assert.equal(run(0), DMA.REFUSED);
    write(REG.DMA_LENGTH, 2);
    host.refuse = true;
    assert.equal(run(0), DMA.REFUSED);
  });

  it('increments its index with each access to the data port', () => {
    const port = (offset: number, value: number): void => device.write(1, offset, 1, value);
    port(0x80, 0xff);
    port(0x81, 0x11);
    port(0x81, 0x22);
    port(0x80, 0xff);
    assert.deepEqual([device.read(1, 0x81, 1), device.read(1, 0x81, 1), device.read(1, 0x80, 1)], [0x11, 0x22, 1]);
    device.write(1, 4, 4, 0xdeadbeef);
    assert.deepEqual([device.read(1, 4, 2), device.read(1, 6, 1)], [0xbeef, 0xad]);
    assert.equal(device.read(1, 0x84, 4), 10);
  });

  it('keeps only the count of resets over a reset', () => {
    write(REG.SCRATCH, 1);
    host.barMemory(0)[5] = 5;
    device.reset();
    assert.deepEqual([read(REG.SCRATCH), host.barMemory(0)[5], read(REG.RESETS)], [0, 0, 1]);
  });

  it('has a ROM image with signature, PCIR and a checksum of 0', () => {
    const rom = testdev.rom ?? new Uint8Array();
    assert.deepEqual([rom[0], rom[1]], [0x55, 0xaa]);
    assert.equal(new TextDecoder().decode(rom.subarray(0x1c, 0x20)), 'PCIR');
    assert.equal(rom.reduce((sum, byte) => sum + byte, 0) & 0xff, 0);
  });
});
