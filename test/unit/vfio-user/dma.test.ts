import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';

import { addon } from '../../../lib/native/addon.js';
import type { DomainHandle } from '../../../lib/native/vfio-user.js';
import type { VfioUserClient } from '../../../lib/vfio-user/client/vfio-user-client.js';
import { withClient } from '../../support/vfio-user-client.js';
import { allocateShared } from '../../support/allocate-shared.js';

describe('vfio-user DMA', () => {
  const page = 4096;
  let memory: SharedArrayBuffer;
  let bytes: Uint8Array;
  let domain: DomainHandle;
  beforeEach(() => {
    memory = allocateShared(2 * page);
    bytes = new Uint8Array(memory);
    domain = addon.domainCreate();
  });
  afterEach(() => addon.domainClose(domain));
  const vaddr = (offset: number) => addon.bufferAddress(memory, offset);
  const map = (iova: number, offset: number, access: number) =>
    addon.domainMap(domain, BigInt(iova), vaddr(offset), BigInt(page), access);
  /** Has the device copy `count` bytes. @returns the count of the register write, or a negative errno */
  const copy = (client: VfioUserClient, from: bigint, to: bigint, count: number) => {
    const registers = new Uint8Array(20);
    const view = new DataView(registers.buffer);
    view.setBigUint64(0, from, true);
    view.setBigUint64(8, to, true);
    view.setUint32(16, count, true);
    return addon.connectionRegionWrite(client.connection, 0, 0n, registers);
  };

  it('is served while its client waits for the reply, over adjacent mappings', () =>
    withClient('dma', (client) => {
      client.setDomain(domain);
      map(0, 0, 1);
      map(page, page, 3);
      bytes.fill(7, page - 8, page + 8);
      assert.equal(copy(client, BigInt(page - 8), BigInt(page + 100), 16), 20);
      assert.deepEqual([...bytes.subarray(page + 99, page + 117)], [0, ...new Array<number>(16).fill(7), 0]);
      assert.deepEqual(addon.domainTakeFaults(domain), { count: 0, recent: [] });
    }));

  it('faults without a mapping, permission or domain, and changes no memory', () =>
    withClient('dma', async (client) => {
      map(0, 0, 1);
      map(page, page, 2);
      bytes.fill(5, 0, page);
      assert.equal(copy(client, 0n, BigInt(page), 8), -14, 'no domain');
      client.setDomain(domain);
      assert.equal(copy(client, BigInt(page), 0n, 8), -14, 'reading what is for writing');
      assert.equal(copy(client, 0n, 8n, 8), -14, 'writing what is for reading');
      assert.equal(copy(client, 0n, BigInt(2 * page - 4), 8), -14, 'over the end');
      assert.equal(copy(client, (1n << 64n) - 4n, 0n, 8), -14, 'over 2^64');
      assert.ok(bytes.subarray(page).every((byte) => byte === 0));
      assert.deepEqual(addon.domainTakeFaults(domain), {
        count: 4,
        recent: [
          { iova: BigInt(page), size: 8n, write: false },
          { iova: 8n, size: 8n, write: true },
          { iova: BigInt(2 * page - 4), size: 8n, write: true },
          { iova: (1n << 64n) - 4n, size: 8n, write: false },
        ],
      });
      assert.equal(addon.eventfdRead(addon.domainFaultEvent(domain)), 4);
      assert.equal(copy(client, 0n, BigInt(page), 8), 20);
      await addon.domainUnmap(domain, BigInt(page), 8n);
      assert.equal(copy(client, 0n, BigInt(page), 8), -14, 'unmapped');
      assert.equal(copy(client, 0n, BigInt(page + 8), 8), 20, 'the rest of the mapping stays');
      client.setDomain(undefined);
      assert.equal(copy(client, 0n, BigInt(page + 8), 8), -14);
    }));

  it('records the pages that the device wrote', () =>
    withClient('dma', async (client) => {
      client.setDomain(domain);
      map(0, 0, 3);
      map(page, page, 3);
      addon.domainSetDirtyTracking(domain, BigInt(page));
      assert.equal(copy(client, 0n, BigInt(page), 8), 20);
      const take = (clear: boolean) => [...addon.domainTakeDirty(domain, 0n, BigInt(2 * page), BigInt(page), clear)];
      assert.deepEqual(take(false), [2]);
      await addon.domainUnmap(domain, 0n, BigInt(2 * page));
      assert.deepEqual(take(true), [2]);
      assert.deepEqual(take(true), [0]);
    }));

  it('rejects mappings that overlap or exceed 2^64', () => {
    map(0, 0, 3);
    assert.throws(() => map(page - 1, 0, 3), { code: 'EEXIST' });
    assert.throws(() => addon.domainMap(domain, (1n << 64n) - 1n, vaddr(0), 2n, 3), { code: 'EINVAL' });
    assert.throws(() => addon.domainMap(domain, 1n << 64n, vaddr(0), 2n, 3), RangeError);
    assert.throws(() => addon.domainMap(domain, BigInt(2 * page), vaddr(0), 0n, 3), { code: 'EINVAL' });
  });

  it('faults in a mapping whose memory is gone, and does not crash', () =>
    withClient('dma', (client) => {
      client.setDomain(domain);
      map(0, 0, 3);
      // Nothing is ever mapped at these addresses: the first page, and those above user space.
      addon.domainMap(domain, BigInt(page), 0n, BigInt(page), 3);
      addon.domainMap(domain, BigInt(2 * page), 1n << 60n, BigInt(page), 3);
      bytes.fill(5, 0, page);
      bytes.fill(6, 0, 8);
      for (const to of [BigInt(page), BigInt(2 * page), BigInt(page - 4)]) {
        assert.equal(copy(client, 0n, to, 8), -14);
        assert.equal(copy(client, to, 0n, 8), -14);
      }
      assert.ok(
        bytes.subarray(8, page).every((byte) => byte === 5),
        'the part before the fault was written',
      );
      assert.equal(addon.domainTakeFaults(domain).count, 6);
    }));

  it('keeps both ends of a mapping whose middle is unmapped', () =>
    withClient('dma', async (client) => {
      client.setDomain(domain);
      addon.domainMap(domain, 0n, vaddr(0), BigInt(2 * page), 3);
      bytes.set([1, 2, 3, 4], page + 64);
      await addon.domainUnmap(domain, 16n, BigInt(page));
      assert.equal(copy(client, BigInt(page + 64), 0n, 4), 20);
      assert.deepEqual([...bytes.subarray(0, 5)], [1, 2, 3, 4, 0]);
      assert.equal(copy(client, 0n, 12n, 4), 20);
      assert.equal(copy(client, 0n, 13n, 4), -14);
      assert.equal(copy(client, BigInt(page + 15), 0n, 4), -14);
      assert.equal(copy(client, BigInt(page + 16), 0n, 4), 20);
      await addon.domainUnmap(domain, 0n, (1n << 64n) - 1n);
      assert.equal(copy(client, 0n, 0n, 1), -14);
    }));

  it('reports dirty pages for any page size', () =>
    withClient('dma', (client) => {
      client.setDomain(domain);
      addon.domainMap(domain, 0n, vaddr(0), BigInt(2 * page), 3);
      addon.domainSetDirtyTracking(domain, 1024n);
      assert.equal(copy(client, 0n, BigInt(page - 1), 2), 20);
      const take = (iova: number, size: number, pageSize: number) => [
        ...addon.domainTakeDirty(domain, BigInt(iova), BigInt(size), BigInt(pageSize), false),
      ];
      assert.deepEqual(take(0, 2 * page, 1024), [0b0001_1000]);
      assert.deepEqual(take(0, 2 * page, 4096), [0b11]);
      assert.deepEqual(take(page, page, 512), [0b11]);
      assert.deepEqual(take(page + 1024, 1024, 1024), [0]);
      assert.throws(() => take(0, 4096, 1000), { code: 'EINVAL' });
      addon.domainSetDirtyTracking(domain, 0n);
      assert.deepEqual(take(0, 2 * page, 4096), [0]);
    }));

  it('keeps the newest 64 faults and counts all', () =>
    withClient('dma', (client) => {
      client.setDomain(domain);
      for (let i = 0; i < 70; i++) assert.equal(copy(client, BigInt(i), 0n, 1), -14);
      const { count, recent } = addon.domainTakeFaults(domain);
      assert.equal(count, 70);
      assert.deepEqual(
        recent.map((fault) => Number(fault.iova)),
        Array.from({ length: 64 }, (_, i) => i + 6),
      );
    }));

  it('continues while both sides send more than a socket buffers', () =>
    withClient('dma flood', async (client) => {
      client.setDomain(domain);
      addon.domainMap(domain, 0n, vaddr(0), BigInt(2 * page), 3);
      await client.reset();
      // The server reads nothing now until all of its DMA is sent; this write blocks meanwhile.
      assert.equal(addon.connectionRegionWrite(client.connection, 0, 0n, new Uint8Array(1 << 20)), 1 << 20);
      assert.equal(addon.domainTakeFaults(domain).count, 0);
      assert.ok(bytes.subarray(0, 2 * page - 1).every((byte) => byte === 0xdd));
    }));

  it('is served by an idle client', () =>
    withClient('dma flood', async (client) => {
      client.setDomain(domain);
      addon.domainMap(domain, 0n, vaddr(0), BigInt(2 * page), 3);
      await client.reset();
      // Nobody waits for a reply: the connection's own thread serves, and sends the replies that did not fit at once.
      for (const end = Date.now() + 5000; bytes[2 * page - 1] !== 0xee; await setTimeout(5)) {
        assert.ok(Date.now() < end, 'the replies did not go out');
      }
      assert.ok(bytes.subarray(0, 2 * page - 1).every((byte) => byte === 0xdd));
    }));
});
