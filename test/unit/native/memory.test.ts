import assert from 'node:assert/strict';
import { readFileSync, writeSync, closeSync, ftruncateSync } from 'node:fs';

import type { MappingHandle } from '../../../lib/kernel/kernel.js';
import { addon } from '../../../lib/native/addon.js';
import { allocateShared } from '../../support/allocate-shared.js';

const PAGE = 4096;
const READ_WRITE = 3;

/** How many mappings of files with this in their name the process has. */
function countMappings(name: string): number {
  return readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter((line) => line.includes(name)).length;
}

function mapNew(name: string, size = 4 * PAGE): { mapping: MappingHandle; fd: number } {
  const fd = addon.memfdCreate(name, BigInt(size), 0);
  return { fd, mapping: addon.mappingCreate(fd, 0n, size, READ_WRITE) };
}

describe('native/memory: mappings', () => {
  it('shares the file: each side sees what the other writes', () => {
    const { mapping, fd } = mapNew('shares');
    const view = new Uint8Array(addon.mappingView(mapping));
    assert.equal(view.length, 4 * PAGE);
    writeSync(fd, Buffer.from([1, 2, 3]), 0, 3, PAGE);
    assert.deepEqual([...view.subarray(PAGE, PAGE + 4)], [1, 2, 3, 0]);
    new Uint8Array(addon.mappingView(mapping))[7] = 9;
    assert.equal(view[7], 9);
    addon.mappingClose(mapping);
    closeSync(fd);
  });

  it('keeps the memory of a view after the handle is closed', () => {
    const { mapping, fd } = mapNew('outlives');
    const view = new Uint8Array(addon.mappingView(mapping));
    closeSync(fd);
    addon.mappingClose(mapping);
    view[0] = 5;
    assert.equal(view[0], 5);
    assert.equal(countMappings('outlives'), 1);
  });

  it('mappingEnd turns the remaining views to 0xFF and releases the file', () => {
    const { mapping, fd } = mapNew('ended');
    const view = new Uint8Array(addon.mappingView(mapping));
    closeSync(fd);
    addon.mappingEnd(mapping);
    assert.equal(view[0], 0xff);
    assert.equal(countMappings('ended'), 0);
    assert.throws(() => addon.mappingEnd(mapping), { code: 'EBADF', syscall: 'mappingEnd' });
  });

  it('unmaps with the handle if there is no view', () => {
    const { mapping, fd } = mapNew('nobody-looks');
    assert.equal(countMappings('nobody-looks'), 1);
    closeSync(fd);
    addon.mappingClose(mapping);
    assert.equal(countMappings('nobody-looks'), 0);
    assert.throws(() => addon.mappingView(mapping), { name: 'VfioError', code: 'EBADF' });
    assert.throws(() => addon.mappingClose(mapping), { code: 'EBADF' });
  });

  it('fails as the kernel does for a file that cannot be mapped', () => {
    const fd = addon.memfdCreate('refused', BigInt(PAGE), 0);
    assert.throws(() => addon.mappingCreate(fd, 0n, 0, READ_WRITE), { code: 'EINVAL', syscall: 'mmap' });
    assert.throws(() => addon.mappingCreate(fd, 1n, PAGE, READ_WRITE), { code: 'EINVAL' });
    closeSync(fd);
    assert.throws(() => addon.mappingCreate(fd, 0n, PAGE, READ_WRITE), { code: 'EBADF', errno: 9 });
    assert.throws(() => addon.mappingCreate(fd, 0n, -1, READ_WRITE), { code: 'ERR_OUT_OF_RANGE' });
  });

  it('mappingRevoke releases the file for good, and views of any size read all ones', async () => {
    const size = 5 * 1024 * 1024 + PAGE;
    const { mapping, fd } = mapNew('revoked', size);
    const words = new BigUint64Array(addon.mappingView(mapping));
    words.fill(7n);
    addon.mappingRevoke(mapping);
    assert.equal(countMappings('memfd:revoked'), 0);
    assert.ok(words.every((word) => word === 0xffff_ffff_ffff_ffffn));
    words[0] = 1n;
    assert.equal(words[0], 1n, 'a write goes nowhere but does no harm');
    await assert.rejects(addon.mappingRestore(mapping, fd, 0n), { code: 'EBADF' });
    closeSync(fd);
    addon.mappingClose(mapping);
  });
});

describe('native/memory: memory of this process', () => {
  it('makes memfds of a size, sealed against shrinking', () => {
    const fd = addon.memfdCreate('sealed', BigInt(PAGE), 0);
    assert.throws(() => ftruncateSync(fd, 0), { code: 'EPERM' });
    closeSync(fd);
    assert.throws(() => addon.memfdCreate('odd', 1n, 12345), { code: 'EINVAL', syscall: 'memfd_create' });
    assert.throws(() => addon.memfdCreate('zero\0inside', 1n, 0), { code: 'ERR_OUT_OF_RANGE' });
  });

  it('allocates zeroed page-aligned memory', () => {
    const buffer = allocateShared(2 * PAGE);
    assert.equal(buffer.byteLength, 2 * PAGE);
    assert.ok(new Uint8Array(buffer).every((byte) => byte === 0));
    assert.equal(addon.bufferAddress(buffer, 0) % BigInt(PAGE), 0n);
    assert.throws(() => allocateShared(0), { code: 'EINVAL' });
  });

  it('returns the address of a buffer and of the start of a view', () => {
    const shared = allocateShared(PAGE);
    const start = addon.bufferAddress(shared, 0);
    assert.equal(addon.bufferAddress(shared, PAGE - 1), start + BigInt(PAGE - 1));
    assert.equal(addon.bufferAddress(new Uint16Array(shared, 64, 4), 2), start + 66n);
    assert.equal(addon.bufferAddress(new DataView(shared, 8, 8), 7), start + 15n);
    const own = new ArrayBuffer(32);
    assert.equal(addon.bufferAddress(new Uint8Array(own, 4), 0), addon.bufferAddress(own, 4));
    assert.throws(() => addon.bufferAddress(shared, PAGE), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => addon.bufferAddress(new DataView(shared, 8, 8), 8), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => addon.bufferAddress({} as ArrayBuffer, 0), { code: 'ERR_INVALID_ARGUMENT' });
  });

  it('tells whether memory can be pinned', () => {
    const shared = allocateShared(4 * PAGE);
    const start = addon.bufferAddress(shared, 0);
    const size = BigInt(4 * PAGE);
    assert.equal(addon.memoryProbe(start, size, true), true);
    assert.equal(addon.memoryProbe(start + 1n, size - 1n, false), true);
    assert.equal(addon.memoryProbe(0n, BigInt(PAGE), false), false);
    assert.equal(addon.memoryProbe(start, 0n, false), false);
    assert.equal(addon.memoryProbe(start, 0xffff_ffff_ffff_ffffn, false), false);
  });

  it('tells that read-only memory can be pinned for reading only, and inaccessible memory not at all', () => {
    const fd = addon.memfdCreate('rights', BigInt(2 * PAGE), 0);
    const probe = (prot: number): [boolean, boolean] => {
      const mapping = addon.mappingCreate(fd, 0n, 2 * PAGE, prot);
      const vaddr = addon.bufferAddress(addon.mappingView(mapping), 0);
      addon.mappingClose(mapping);
      return [addon.memoryProbe(vaddr, BigInt(2 * PAGE), false), addon.memoryProbe(vaddr, BigInt(2 * PAGE), true)];
    };
    assert.deepEqual(probe(READ_WRITE), [true, true]);
    assert.deepEqual(probe(1), [true, false]);
    assert.deepEqual(probe(0), [false, false]);
    closeSync(fd);
  });
});
