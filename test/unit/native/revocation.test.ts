import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';

import { addon } from '../../../lib/native/addon.js';
import { buildWithoutCall, CALL_NUMBERS, memoryAreas } from '../../support/own-memory.js';
import { VanishingFile } from '../../support/vanishing-file.js';

const PAGE = 4096;
const GIB = 2 ** 30;
const EPERM = 1;

describe('native memory: a mapping whose file vanishes', () => {
  let file: VanishingFile;
  let mapping: number;

  function map(size: number): { words: Uint32Array; epoch: () => number } {
    file = new VanishingFile(size);
    mapping = addon.mappingCreate(file.fd, 0n, size, 3);
    const state = new Uint32Array(addon.mappingState(mapping), 0, 1);
    return { words: new Uint32Array(addon.mappingView(mapping)), epoch: () => state[0] ?? -1 };
  }

  afterEach(() => {
    addon.mappingClose(mapping);
    file.close();
  });

  it('is revoked whole by the first fault, which tells where, and reads as ones', () => {
    const { words, epoch } = map(4 * PAGE);
    words.fill(7);
    const before = addon.eventfdRead(addon.revocationEventfd());
    file.vanish();
    assert.equal(words[(2 * PAGE) / 4 + 3], 0xffff_ffff);
    assert.equal(epoch(), 1);
    assert.ok(words.every((word) => word === 0xffff_ffff));
    assert.equal(epoch(), 1);
    assert.equal(new BigUint64Array(addon.mappingState(mapping), 8, 1)[0], BigInt(2 * PAGE + 12));
    assert.equal(addon.eventfdRead(addon.revocationEventfd()), 1, `one count; ${before} were left`);
  });

  it('is restored by its file alone, and not before the file is there', async () => {
    const { words, epoch } = map(4 * PAGE);
    file.vanish();
    words[5] = 1;
    assert.equal(words[5], 1, 'what a view writes stays until the restoration');
    await assert.rejects(addon.mappingRestore(mapping, file.fd, 0n), { code: 'ENXIO' });
    assert.equal(epoch(), 1);
    file.comeBack();
    await addon.mappingRestore(mapping, file.fd, 0n);
    assert.equal(epoch(), 2);
    assert.equal(words[5], 0);
    words[5] = 9;
    await addon.mappingRestore(mapping, file.fd, 0n);
    assert.equal(epoch(), 2, 'a mapping that is not revoked is left alone');
    assert.equal(words[5], 9);
  });

  it('survives 20 revocations of 1 GiB with one mapping each', async function () {
    this.timeout(60_000);
    const { words, epoch } = map(GIB);
    for (let round = 0; round < 20; round += 1) {
      words[round] = round;
      file.vanish();
      for (let at = round; at < words.length; at += 2 ** 18) assert.equal(words[at], 0xffff_ffff);
      assert.equal(words[words.length - 1], 0xffff_ffff);
      assert.ok(countAreas() === 1, `${countAreas()} mappings`);
      assert.equal(epoch(), 2 * round + 1);
      file.comeBack();
      await addon.mappingRestore(mapping, file.fd, 0n);
      assert.equal(words[round], 0);
    }
  });

  it('is revoked for good by its end, after a fault too', async () => {
    const { words, epoch } = map(2 * PAGE);
    file.vanish();
    assert.equal(words[0], 0xffff_ffff);
    addon.mappingRevoke(mapping);
    file.comeBack();
    await assert.rejects(addon.mappingRestore(mapping, file.fd, 0n), { code: 'EBADF' });
    assert.equal(epoch(), 0xffff_ffff);
    assert.ok(words.every((word) => word === 0xffff_ffff));
  });

  function countAreas(): number {
    const start = addon.bufferAddress(addon.mappingView(mapping), 0);
    return memoryAreas().filter((area) => area.start >= start && area.start < start + BigInt(file.size)).length;
  }
});

describe('native memory: faults of others', () => {
  it('in DMA memory end the process with SIGBUS and a core dump, as without the engine', () => {
    const folder = mkdtempSync(join(tmpdir(), 'vfio-engine-core-'));
    try {
      // Nothing of the memory goes into the core file: it would be of 100 MB.
      const launcher = ['bash', '-c', 'ulimit -c unlimited; echo 0 >/proc/self/coredump_filter; "$@"; exit $?', 'bash'];
      const program = `
      const { openSync, ftruncateSync } = await import('node:fs');
      addon.mappingCreate(addon.memfdCreate('watched', 4096n, 0), 0n, 4096, 3);
      const fd = openSync('memory', 'wx+');
      ftruncateSync(fd, 4096);
      const bytes = new Uint8Array(addon.memoryPlace(fd, 4096, 0, false, -1, false));
      ftruncateSync(fd, 0);
      console.log(bytes[0]);`;
      const { stdout, stderr, status } = runChild(launcher, program, folder);
      assert.equal(status, 128 + constants.signals.SIGBUS, stderr);
      assert.match(stderr, /Bus error +\(core dumped\)/);
      assert.equal(stdout, '');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('reach V8, whose WebAssembly catches accesses behind its memory', () => {
    // (module (memory 1) (func (export "read") (param i32) (result i32) (i32.load (local.get 0))))
    const program = `
      addon.mappingCreate(addon.memfdCreate('watched', 4096n, 0), 0n, 4096, 3);
      const code = '0061736d0100000001060160017f017f0302010005030100010708010472656164000' + '00a0901070020002802000b';
      const { instance } = await WebAssembly.instantiate(Buffer.from(code, 'hex'));
      let caught;
      try {
        instance.exports.read(65_536);
      } catch (error) {
        caught = error.name + ': ' + error.message;
      }
      console.log(instance.exports.read(0), caught);`;
    const { stdout, stderr } = runChild([], program);
    assert.equal(stdout, '0 RuntimeError: memory access out of bounds\n', stderr);
  });
});

describe('native memory: revocation where userfaultfd is forbidden', () => {
  it('takes at most 1,024 mappings for a BAR, and never reads as zero', function () {
    this.timeout(60_000);
    const withoutCall = buildWithoutCall();
    // 4 GiB: its pieces are of 4 MiB, the least that 1,024 of them cover.
    const program = `
      const { openSync, ftruncateSync, unlinkSync, readFileSync } = await import('node:fs');
      const size = 4 * 2 ** 30;
      const path = '/tmp/vfio-engine-forbidden-' + process.pid;
      const fd = openSync(path, 'wx+');
      unlinkSync(path);
      ftruncateSync(fd, size);
      const mapping = addon.mappingCreate(fd, 0n, size, 3);
      const words = new BigUint64Array(addon.mappingView(mapping), 0, 2 ** 29 - 1);
      ftruncateSync(fd, 0);
      let others = 0;
      for (let at = 0; at < words.length; at += 2 ** 16) if (words[at] !== 2n ** 64n - 1n) others += 1;
      const maps = readFileSync('/proc/self/maps', 'utf8').split('\\n');
      const count = maps.filter((line) => /vfio-engine-(ones|hollow|empty)/.test(line)).length;
      ftruncateSync(fd, size);
      await addon.mappingRestore(mapping, fd, 0n);
      console.log(JSON.stringify({ others, count, after: String(words[7]) }));`;
    try {
      const child = runChild([withoutCall.path, String(CALL_NUMBERS.userfaultfd), String(EPERM)], program);
      assert.equal(child.stderr, '');
      const { others, count, after } = JSON.parse(child.stdout) as { others: number; count: number; after: string };
      assert.equal(others, 0);
      assert.ok(count > 512 && count <= 1024, `${count} mappings`);
      assert.equal(after, '0');
    } finally {
      withoutCall.remove();
    }
  });
});

/** Runs a program with `addon` in scope in a process of its own. */
function runChild(
  launcher: readonly string[],
  program: string,
  cwd?: string,
): { stdout: string; stderr: string; status: number | null } {
  const url = new URL('../../../lib/native/addon.js', import.meta.url).href;
  const whole = `const { addon } = await import(${JSON.stringify(url)});${program}`;
  const [command = '', ...args] = [...launcher, process.execPath, '--input-type=module', '-e', whole];
  return spawnSync(command, args, { encoding: 'utf8', timeout: 50_000, cwd });
}
