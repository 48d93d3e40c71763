import assert from 'node:assert/strict';

import edu from '../../../lib/models/edu/edu.js';
import type { ModelInstance } from '../../../lib/models/model.js';
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

  it('identifies itself as QEMU’s does', () => {
    assert.equal(read(0), 0x0100_00ed);
    const { vendorId, deviceId, classCode, revisionId } = edu.identity;
    assert.deepEqual([vendorId, deviceId, classCode, revisionId], [0x1234, 0x11e8, 0x00ff00, 0x10]);
  });

  it('inverts what is written to the liveness register', () => {
    write(4, 0x12345678);
    assert.equal(read(4), 0xedcba987);
    write(4, 0xffffffff);
    assert.equal(read(4), 0);
  });

  it('takes 4 bytes below 0x80, 4 and 8 above, and nothing narrower', () => {
    assert.equal(read(0, 8), (1n << 64n) - 1n);
    assert.equal(read(0, 1), 0);
    assert.equal(read(0x80, 2), 0);
    write(4, 0xffff, 2);
    write(4, 0xffffn, 8);
    assert.equal(read(4), 0);
    write(0x80, 0x1_0000_0001n, 8);
    assert.equal(read(0x80, 8), 0x1_0000_0001n);
    write(0x80, 5);
    assert.equal(read(0x80, 8), 5n);
    assert.equal(read(0x0c), (1n << 64n) - 1n);
  });

  it('computes factorials modulo 2^32, busy until they are done', () => {
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
      write(8, value);
      assert.equal(read(0x20), 1);
      write(8, 3);
      assert.equal(read(8), value, 'a write while it computes does nothing');
      host.tick();
      assert.equal(read(0x20), 0);
      assert.equal(read(8), factorial, `${value}!`);
    }
  });

  it('interrupts after a factorial only when it was told to', () => {
    write(8, 4);
    host.tick();
    assert.equal(host.line, false);
    write(0x20, 0xff);
    assert.equal(read(0x20), 0x80, 'only the interrupt bit can be written');
    write(8, 4);
    host.tick();
    assert.equal(read(0x24), 1);
    assert.equal(host.line, true);
  });

  it('keeps INTx up until the last bit is acknowledged', () => {
    write(0x60, 0x5);
    write(0x60, 0x2);
    assert.equal(read(0x24), 7);
    write(0x64, 0x3);
    assert.deepEqual([read(0x24), host.line], [4, true]);
    write(0x64, 0x4);
    assert.deepEqual([read(0x24), host.line], [0, false]);
    write(0x60, 0);
    assert.equal(host.line, false);
  });

  it('sends a message for each raise when messages are on', () => {
    host.messagesEnabled = true;
    write(0x60, 1);
    write(0x60, 1);
    assert.deepEqual([host.messages, host.line], [[0, 0], false]);
  });

  it('moves memory to its buffer and back', () => {
    host.memory.set([1, 2, 3, 4, 5], 0x100);
    write(0x80, 0x100n, 8);
    write(0x88, 0x40010n, 8);
    write(0x90, 5n, 8);
    write(0x98, 1n, 8);
    assert.equal(read(0x98), 1n);
    write(0x80, 0x999n, 8);
    assert.equal(read(0x80), 0x100n, 'the registers are locked meanwhile');
    host.tick();
    assert.equal(read(0x98), 0n);
    write(0x80, 0x40010n, 8);
    write(0x88, 0x200n, 8);
    write(0x98, 7n, 8);
    host.tick();
    assert.deepEqual([...host.memory.subarray(0x200, 0x206)], [1, 2, 3, 4, 5, 0]);
    assert.equal(read(0x24), 0x100);
    assert.equal(read(0x98), 6n);
  });

  it('ignores a command without the start bit, and a range outside of its buffer', () => {
    write(0x98, 6n, 8);
    assert.equal(read(0x98), 0n);
    for (const [target, count] of [
      [0x3ffffn, 1n],
      [0x40fffn, 2n],
      [0x40000n, 4097n],
      [0n, 1n],
      [(1n << 64n) - 1n, 2n],
    ] as const) {
      write(0x80, 0n, 8);
      write(0x88, target, 8);
      write(0x90, count, 8);
      host.memory.fill(0xaa);
      write(0x98, 1n, 8);
      host.tick();
      assert.equal(read(0x98), 0n);
    }
    write(0x80, 0x40000n, 8);
    write(0x88, 0n, 8);
    write(0x90, 4096n, 8);
    write(0x98, 3n, 8);
    host.tick();
    assert.ok(host.memory.subarray(0, 4096).every((byte) => byte === 0));
  });

  it('cuts an iova to its mask, 28 bits unless told otherwise', () => {
    host.memory[0x10] = 0x77;
    const load = (instance: ModelInstance, iova: bigint): void => {
      instance.write(0, 0x80, 8, iova);
      instance.write(0, 0x88, 8, 0x40000n);
      instance.write(0, 0x90, 8, 1n);
      instance.write(0, 0x98, 8, 1n);
      host.tick();
      instance.write(0, 0x80, 8, 0x40000n);
      instance.write(0, 0x88, 8, 0x20n);
      instance.write(0, 0x98, 8, 3n);
      host.tick();
    };
    load(device, 0x1000_0010n);
    assert.equal(host.memory[0x20], 0x77);
    host.memory[0x20] = 0;
    load(edu.create(host, { dmaMask: (1n << 40n) - 1n }), 0x1000_0010n);
    assert.equal(host.memory[0x20], 0, 'with a wider mask that address is another');
  });

  it('reads zeros where an access is refused, and ends all the same', () => {
    host.memory.fill(0x77);
    const load = (): void => {
      write(0x80, 0n, 8);
      write(0x88, 0x40000n, 8);
      write(0x90, 4n, 8);
      write(0x98, 5n, 8);
      host.tick();
    };
    load();
    host.refuse = true;
    load();
    assert.equal(read(0x98), 4n);
    assert.equal(host.line, true);
    host.refuse = false;
    write(0x80, 0x40000n, 8);
    write(0x88, 0x100n, 8);
    write(0x98, 3n, 8);
    host.tick();
    assert.deepEqual([...host.memory.subarray(0x100, 0x105)], [0, 0, 0, 0, 0x77]);
  });

  it('loses the refused pages of a transfer alone', () => {
    const end = host.memory.length;
    host.memory.fill(0x77);
    write(0x80, 0x40000n, 8);
    write(0x88, BigInt(end - 4), 8);
    write(0x90, 8n, 8);
    write(0x98, 3n, 8);
    host.tick();
    assert.deepEqual([...host.memory.subarray(end - 5)], [0x77, 0, 0, 0, 0]);
    assert.ok(host.memory.subarray(0, 8).every((byte) => byte === 0x77));
    host.memory.fill(0x55, end - 4);
    write(0x80, BigInt(end - 4), 8);
    write(0x88, 0x40000n, 8);
    write(0x98, 1n, 8);
    host.tick();
    write(0x80, 0x40000n, 8);
    write(0x88, 0n, 8);
    write(0x98, 3n, 8);
    host.tick();
    assert.deepEqual([...host.memory.subarray(0, 9)], [0x55, 0x55, 0x55, 0x55, 0, 0, 0, 0, 0x77]);
  });

  it('is as after power-on when reset, with what it had begun forgotten', () => {
    write(4, 1);
    write(0x60, 1);
    write(8, 5);
    write(0x98, 1n, 8);
    device.reset();
    assert.deepEqual([read(4), read(8), read(0x20), read(0x24), read(0x98), host.line], [0, 0, 0, 0, 0n, false]);
    host.tick();
    assert.equal(read(8), 0);
  });

  it('waits as long as its options say', () => {
    device = edu.create(host, { dmaDelayMs: 100, factorialDelayMs: 7 });
    write(8, 1);
    write(0x98, 1n, 8);
    assert.deepEqual(
      host.timers.map((timer) => timer.milliseconds),
      [7, 100],
    );
  });
});
