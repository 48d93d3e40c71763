import assert from 'node:assert/strict';

import edu from '../../../lib/models/edu/edu.js';
import type { ModelInstance } from '../../../lib/models/pci-model.js';
import { EDU_BUFFER, EDU_REG } from '../../../lib/models/edu/registers.js';
import { FakeHost } from '../../support/fake-host.js';

describe('the edu model', () => {
  let host: FakeHost;
  let device: ModelInstance;
  const read = (offset: number, width = 4): number | bigint => device.read(0, offset, width);
  const write = (offset: number, value: number | bigint, width = 4): void => device.write(0, offset, width, value);

  beforeEach(() => {
    host = new FakeHost();
    device = edu.create(host, undefined);
  });

  it('has the ids of QEMU’s device', () => {
    assert.equal(read(0), 0x0100_00ed);
    const { vendorId, deviceId, classCode, revisionId } = edu.identity;
    assert.deepEqual([vendorId, deviceId, classCode, revisionId], [0x1234, 0x11e8, 0x00ff00, 0x10]);
  });

  it('has its registers at the offsets of QEMU’s specification', () => {
    assert.deepEqual(Object.values(EDU_REG), [0, 4, 8, 0x20, 0x24, 0x60, 0x64, 0x80, 0x88, 0x90, 0x98]);
    assert.deepEqual(EDU_BUFFER, { START: 0x40000, SIZE: 4096 });
  });

  it('reads the inverse of the value written to the liveness register', () => {
    write(EDU_REG.LIVENESS, 0x12345678);
    assert.equal(read(EDU_REG.LIVENESS), 0xedcba987);
    write(EDU_REG.LIVENESS, 0xffffffff);
    assert.equal(read(EDU_REG.LIVENESS), 0);
  });

  it('accepts accesses of 4 bytes, from 0x80 on also of 8 bytes, and no others', () => {
    assert.equal(read(EDU_REG.IDENT, 8), (1n << 64n) - 1n);
    assert.equal(read(EDU_REG.IDENT, 1), 0);
    assert.equal(read(EDU_REG.DMA_SOURCE, 2), 0);
    write(EDU_REG.LIVENESS, 0xffff, 2);
    write(EDU_REG.LIVENESS, 0xffffn, 8);
    assert.equal(read(EDU_REG.LIVENESS), 0);
    write(EDU_REG.DMA_SOURCE, 0x1_0000_0001n, 8);
    assert.equal(read(EDU_REG.DMA_SOURCE, 8), 0x1_0000_0001n);
    write(EDU_REG.DMA_SOURCE, 5);
    assert.equal(read(EDU_REG.DMA_SOURCE, 8), 5n);
    assert.equal(read(0x0c), (1n << 64n) - 1n);
  });

  it('computes factorials modulo 2^32 and shows that it is computing', () => {
    const known: [number, number][] = [
      [0, 1],
      [1, 1],
      [5, 120],
      [12, 479001600],
      [13, 1932053504],
      [33, 0x80000000],
      [34, 0],
      [0xffffffff, 0],
    ];
    for (const [value, factorial] of known) {
      write(EDU_REG.FACTORIAL, value);
      assert.equal(read(EDU_REG.STATUS), 1);
      write(EDU_REG.FACTORIAL, 3);
      assert.equal(read(EDU_REG.FACTORIAL), value, 'a write while it computes does nothing');
      host.tick();
      assert.equal(read(EDU_REG.STATUS), 0);
      assert.equal(read(EDU_REG.FACTORIAL), factorial, `${value}!`);
    }
  });

  it('raises an interrupt after a factorial only if STATUS enables it', () => {
    write(EDU_REG.FACTORIAL, 4);
    host.tick();
    assert.equal(host.line, false);
    write(EDU_REG.STATUS, 0xff);
    assert.equal(read(EDU_REG.STATUS), 0x80, 'only the interrupt bit can be written');
    write(EDU_REG.FACTORIAL, 4);
    host.tick();
    assert.equal(read(EDU_REG.IRQ_STATUS), 1);
    assert.equal(host.line, true);
  });

  it('keeps INTx asserted until the last bit is acknowledged', () => {
    write(EDU_REG.IRQ_RAISE, 0x5);
    write(EDU_REG.IRQ_RAISE, 0x2);
    assert.equal(read(EDU_REG.IRQ_STATUS), 7);
    write(EDU_REG.IRQ_ACK, 0x3);
    assert.deepEqual([read(EDU_REG.IRQ_STATUS), host.line], [4, true]);
    write(EDU_REG.IRQ_ACK, 0x4);
    assert.deepEqual([read(EDU_REG.IRQ_STATUS), host.line], [0, false]);
    write(EDU_REG.IRQ_RAISE, 0);
    assert.equal(host.line, false);
  });

  it('sends a message for each raise while messages are enabled', () => {
    host.messagesEnabled = true;
    write(EDU_REG.IRQ_RAISE, 1);
    write(EDU_REG.IRQ_RAISE, 1);
    assert.deepEqual([host.messages, host.line], [[0, 0], false]);
  });

  it('copies memory to its buffer and back', () => {
    host.memory.set([1, 2, 3, 4, 5], 0x100);
    write(EDU_REG.DMA_SOURCE, 0x100n, 8);
    write(EDU_REG.DMA_TARGET, 0x40010n, 8);
    write(EDU_REG.DMA_COUNT, 5n, 8);
    write(EDU_REG.DMA_COMMAND, 1n, 8);
    assert.equal(read(EDU_REG.DMA_COMMAND), 1n);
    write(EDU_REG.DMA_SOURCE, 0x999n, 8);
    assert.equal(read(EDU_REG.DMA_SOURCE), 0x100n, 'the registers are locked meanwhile');
    host.tick();
    assert.equal(read(EDU_REG.DMA_COMMAND), 0n);
    write(EDU_REG.DMA_SOURCE, 0x40010n, 8);
    write(EDU_REG.DMA_TARGET, 0x200n, 8);
    write(EDU_REG.DMA_COMMAND, 7n, 8);
    host.tick();
    assert.deepEqual([...host.memory.subarray(0x200, 0x206)], [1, 2, 3, 4, 5, 0]);
    assert.equal(read(EDU_REG.IRQ_STATUS), 0x100);
    assert.equal(read(EDU_REG.DMA_COMMAND), 6n);
  });

  it('ignores a command without the start bit, and a range outside of its buffer', () => {
    write(EDU_REG.DMA_COMMAND, 6n, 8);
    assert.equal(read(EDU_REG.DMA_COMMAND), 0n);
    for (const [target, count] of [
      [0x3ffffn, 1n],
      [0x40fffn, 2n],
      [0x40000n, 4097n],
      [0n, 1n],
      [(1n << 64n) - 1n, 2n],
    ] as const) {
      write(EDU_REG.DMA_SOURCE, 0n, 8);
      write(EDU_REG.DMA_TARGET, target, 8);
      write(EDU_REG.DMA_COUNT, count, 8);
      host.memory.fill(0xaa);
      write(EDU_REG.DMA_COMMAND, 1n, 8);
      host.tick();
      assert.equal(read(EDU_REG.DMA_COMMAND), 0n);
    }
    write(EDU_REG.DMA_SOURCE, 0x40000n, 8);
    write(EDU_REG.DMA_TARGET, 0n, 8);
    write(EDU_REG.DMA_COUNT, 4096n, 8);
    write(EDU_REG.DMA_COMMAND, 3n, 8);
    host.tick();
    assert.ok(host.memory.subarray(0, 4096).every((byte) => byte === 0));
  });

  it('masks an iova with dmaMask, 28 bits by default', () => {
    host.memory[0x10] = 0x77;
    const load = (instance: ModelInstance, iova: bigint): void => {
      instance.write(0, EDU_REG.DMA_SOURCE, 8, iova);
      instance.write(0, EDU_REG.DMA_TARGET, 8, 0x40000n);
      instance.write(0, EDU_REG.DMA_COUNT, 8, 1n);
      instance.write(0, EDU_REG.DMA_COMMAND, 8, 1n);
      host.tick();
      instance.write(0, EDU_REG.DMA_SOURCE, 8, 0x40000n);
      instance.write(0, EDU_REG.DMA_TARGET, 8, 0x20n);
      instance.write(0, EDU_REG.DMA_COMMAND, 8, 3n);
      host.tick();
    };
    load(device, 0x1000_0010n);
    assert.equal(host.memory[0x20], 0x77);
    host.memory[0x20] = 0;
    load(edu.create(host, { dmaMask: (1n << 40n) - 1n }), 0x1000_0010n);
    assert.equal(host.memory[0x20], 0, 'with a wider mask that address is another');
  });

  it('reads zeros for refused DMA, and finishes the transfer', () => {
    host.memory.fill(0x77);
    const load = (): void => {
      write(EDU_REG.DMA_SOURCE, 0n, 8);
      write(EDU_REG.DMA_TARGET, 0x40000n, 8);
      write(EDU_REG.DMA_COUNT, 4n, 8);
      write(EDU_REG.DMA_COMMAND, 5n, 8);
      host.tick();
    };
    load();
    host.refuse = true;
    load();
    assert.equal(read(EDU_REG.DMA_COMMAND), 4n);
    assert.equal(host.line, true);
    host.refuse = false;
    write(EDU_REG.DMA_SOURCE, 0x40000n, 8);
    write(EDU_REG.DMA_TARGET, 0x100n, 8);
    write(EDU_REG.DMA_COMMAND, 3n, 8);
    host.tick();
    assert.deepEqual([...host.memory.subarray(0x100, 0x105)], [0, 0, 0, 0, 0x77]);
  });

  it('transfers the other pages if a page is refused', () => {
    const end = host.memory.length;
    host.memory.fill(0x77);
    write(EDU_REG.DMA_SOURCE, 0x40000n, 8);
    write(EDU_REG.DMA_TARGET, BigInt(end - 4), 8);
    write(EDU_REG.DMA_COUNT, 8n, 8);
    write(EDU_REG.DMA_COMMAND, 3n, 8);
    host.tick();
    assert.deepEqual([...host.memory.subarray(end - 5)], [0x77, 0, 0, 0, 0]);
    assert.ok(host.memory.subarray(0, 8).every((byte) => byte === 0x77));
    host.memory.fill(0x55, end - 4);
    write(EDU_REG.DMA_SOURCE, BigInt(end - 4), 8);
    write(EDU_REG.DMA_TARGET, 0x40000n, 8);
    write(EDU_REG.DMA_COMMAND, 1n, 8);
    host.tick();
    write(EDU_REG.DMA_SOURCE, 0x40000n, 8);
    write(EDU_REG.DMA_TARGET, 0n, 8);
    write(EDU_REG.DMA_COMMAND, 3n, 8);
    host.tick();
    assert.deepEqual([...host.memory.subarray(0, 9)], [0x55, 0x55, 0x55, 0x55, 0, 0, 0, 0, 0x77]);
  });

  it('has its power-on state after a reset, and cancels what was running', () => {
    write(EDU_REG.LIVENESS, 1);
    write(EDU_REG.IRQ_RAISE, 1);
    write(EDU_REG.FACTORIAL, 5);
    write(EDU_REG.DMA_COMMAND, 1n, 8);
    device.reset();
    assert.deepEqual(
      [
        read(EDU_REG.LIVENESS),
        read(EDU_REG.FACTORIAL),
        read(EDU_REG.STATUS),
        read(EDU_REG.IRQ_STATUS),
        read(EDU_REG.DMA_COMMAND),
        host.line,
      ],
      [0, 0, 0, 0, 0n, false],
    );
    host.tick();
    assert.equal(read(EDU_REG.FACTORIAL), 0);
  });

  it('delays DMA and factorials by its options', () => {
    device = edu.create(host, { dmaDelayMs: 100, factorialDelayMs: 7 });
    write(EDU_REG.FACTORIAL, 1);
    write(EDU_REG.DMA_COMMAND, 1n, 8);
    assert.deepEqual(
      host.timers.map((timer) => timer.milliseconds),
      [7, 100],
    );
  });
});
