import assert from 'node:assert/strict';

import { shell, vfioEngine, type CommandResult } from './cli-command.js';

const EDU = 'f000:00:04.0';
const TESTDEV = 'f000:00:05.0';

/** Returns the output of a command that succeeded; fails with its error output otherwise. */
function done(result: CommandResult): string {
  assert.equal(result.code, 0, result.stderr);
  assert.equal(result.stderr, '');
  return result.stdout;
}

describe('the command', function () {
  this.timeout(120_000);

  describe('as a command line', () => {
    it('prints help for itself and for each command on standard output', async () => {
      const help = done(await vfioEngine('--help'));
      for (const name of ['run', 'list', 'info', 'read', 'write', 'dump', 'bind', 'unbind']) {
        assert.match(help, new RegExp(`^ {2}${name} `, 'm'));
        assert.match(done(await vfioEngine(name, '--help')), new RegExp(`^Usage: vfio-engine ${name} `));
      }
    });

    it('reports wrong usage by a message and exit code 2', async () => {
      const cases: [string[], RegExp][] = [
        [[], /^Usage: vfio-engine/],
        [['nonsense'], /unknown command 'nonsense'/],
        [['read', EDU, 'bar9', '0'], /It must be one of bar0/],
        [['read', EDU, 'bar0', 'ten'], /number of bytes/],
        [['read', EDU, 'bar0', '0', '--width', '3'], /It must be 1, 2, 4 or 8\./],
        [['read', EDU, '99999999999999999999', '0'], /It must be one of bar0, .*, or an index from 0 to 4294967295\./],
        [['dump', EDU, 'config', '0', '--length', '0'], /It must be at least 1\./],
        [['a\x1b[31m\nerror: b'], /^error: unknown command 'a\\u001b\[31m\\nerror: b'\n/],
        [['read', EDU], /missing required argument 'region'/],
        [['run', '--seconds', '0'], /seconds, more than 0/],
        [['bind', EDU, '--timeout', '-1'], /seconds, more than 0/],
      ];
      for (const [argv, message] of cases) {
        const { code, stdout, stderr } = await vfioEngine(...argv);
        assert.deepEqual([code, stdout], [2, ''], argv.join(' '));
        assert.match(stderr, message);
        assert.doesNotMatch(stderr, /\n {4}at /);
      }
    });

    it('reports a failure by a message, a hint and exit code 1, and prints the stack only with --verbose', async () => {
      const { code, stdout, stderr } = await vfioEngine('info', '0000:ff:1f.7');
      assert.deepEqual([code, stdout], [1, '']);
      assert.match(stderr, /^error: ENODEV.*\nhint: .*vfio-engine list.*\n$/);
      const verbose = await vfioEngine('--verbose', 'info', '0000:ff:1f.7');
      assert.equal(verbose.code, 1);
      assert.match(verbose.stderr, /\n {4}at /);
    });

    it('ends quietly when the reader of its output goes away', async () => {
      const { code, stdout, stderr } = await shell(`$ENGINE dump ${TESTDEV} bar0 0 --length 65536 | head -n 1`);
      assert.deepEqual([code, stderr], [0, '']);
      assert.match(stdout, /^00000000 /);
    });
  });

  it('tells in one line that its output cannot be written', async () => {
    const { code, stdout, stderr } = await shell(`$ENGINE list > /dev/full`);
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, /^error: standard output cannot be written: ENOSPC: .*\n$/);
    assert.deepEqual(await shell(`$ENGINE nonsense 2> /dev/full`), { code: 2, stdout: '', stderr: '' });
  });

  it('lists the software devices', async () => {
    const text = done(await vfioEngine('list'));
    assert.match(text, /^DEVICE +KERNEL +GROUP +DRIVER +ID +CLASS +VIABLE$/m);
    assert.match(text, new RegExp(`^${EDU} +software +\\d+ +vfio-pci +1234:11e8 +00ff00 +yes$`, 'm'));
    const entries = JSON.parse(done(await vfioEngine('list', '--json'))) as { device: string; kernel: string }[];
    const software = entries.filter(({ kernel }) => kernel === 'software').map(({ device }) => device);
    assert.deepEqual(software, [EDU, TESTDEV]);
  });

  it('shows regions, interrupts and the header of a device', async () => {
    const text = done(await vfioEngine('info', 'testdev'));
    assert.match(text, /^id 1234:7e57, class 0xff0000, /m);
    assert.match(text, /^bar0 +0x10000 +read write mmap +mapped$/m);
    assert.match(text, /^bar2 +0x10000 .* partly +sparse 0x1000\+0x2000, sparse 0x8000\+0x4000$/m);
    assert.match(text, /^bar1 +0x100 +read write +trapped$/m);
    assert.match(text, /^msix +16 +eventfd/m);
    const edu = JSON.parse(done(await vfioEngine('info', EDU, '--json'))) as {
      device: string;
      regions: { name: string; size: string }[];
    };
    assert.equal(edu.device, EDU);
    assert.deepEqual(
      edu.regions.map(({ name, size }) => [name, size]),
      [
        ['bar0', '0x100000'],
        ['config', '0x100'],
      ],
    );
  });

  it('reads registers of a given width', async () => {
    assert.equal(done(await vfioEngine('read', 'edu', 'bar0', '0')), '0x010000ed\n');
    assert.equal(done(await vfioEngine('read', EDU, 'config', '2', '--width', '2')), '0x11e8\n');
    assert.deepEqual(JSON.parse(done(await vfioEngine('read', EDU, '7', '0x0', '--width', '1', '--json'))), {
      device: EDU,
      region: 7,
      offset: 0,
      width: 1,
      value: '0x34',
    });
  });

  it('writes registers, and rejects values that do not fit', async () => {
    assert.equal(done(await vfioEngine('write', 'testdev', 'bar2', '0x10', '0x1122334455667788', '--width', '8')), '');
    const { code, stderr } = await vfioEngine('write', 'testdev', 'bar2', '8', '0x100', '--width', '1');
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^error: the value 256 does not fit 1 byte\(s\)\nhint: use -128 to 0xff, or a larger --width\n$/,
    );
    assert.equal(done(await vfioEngine('write', 'testdev', 'bar2', '8', '-1')), '');
    assert.equal(done(await vfioEngine('write', 'testdev', 'bar2', '8', '-128', '--width', '1')), '');
    assert.equal((await vfioEngine('write', 'testdev', 'bar2', '8', '-129', '--width', '1')).code, 1);
  });

  it('rejects an offset beyond the region and one that is not aligned, and names the region', async () => {
    for (const [offset, width] of [
      ['0x100000', '4'],
      ['2', '4'],
    ] as const) {
      const { code, stderr } = await vfioEngine('read', 'edu', 'bar0', offset, '--width', width);
      assert.equal(code, 1);
      assert.match(stderr, /^error: .*(bar0|region 0)/i);
    }
  });

  it('names a region that the device does not have, and those that it has', async () => {
    const { code, stderr } = await vfioEngine('read', EDU, 'rom', '0');
    assert.deepEqual([code, stderr], [1, `error: ${EDU} has no region rom\nhint: it has bar0, config\n`]);
  });

  it('refuses to dump what it refuses to read', async () => {
    for (const [offset, width] of [
      ['0x100000', '4'],
      ['0xffffe', '4'],
      ['2', '4'],
    ] as const) {
      const read = await vfioEngine('read', EDU, 'bar0', offset, '--width', width);
      assert.deepEqual(await vfioEngine('dump', EDU, 'bar0', offset, '--width', width), read);
      assert.equal(read.code, 1);
    }
    const beyond = await vfioEngine('dump', EDU, 'config', '0xf8', '--length', '16');
    assert.deepEqual([beyond.code, beyond.stdout], [1, '']);
    assert.match(beyond.stderr, /16 bytes lie outside of the region, which has 0x100 bytes/);
    assert.match((await vfioEngine('dump', EDU, 'config', '0', '--length', '6')).stderr, /must be a multiple of 4/);
  });

  it('dumps a part of a region', async () => {
    const text = done(await vfioEngine('dump', EDU, 'config', '0', '--length', '16', '--width', '2'));
    assert.match(text, /^00000000 {2}1234 11e8 [0-9a-f ]+ {2}\|4\.\.\..*\|\n$/);
    const rom = done(await vfioEngine('dump', 'testdev', 'rom', '0', '--length', '4'));
    assert.match(rom, /^00000000 {2}[0-9a-f]{4}aa55 /);
  });

  it('stops a dump at the end of the region', async () => {
    const { bytes } = JSON.parse(done(await vfioEngine('dump', EDU, 'config', '0xf8', '--json'))) as { bytes: string };
    assert.equal(bytes.length, 2 * 8);
  });
});
