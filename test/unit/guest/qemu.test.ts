import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { BDF } from '../../guest/devices.js';
import { optionRom } from '../../guest/backing.js';
import { PROFILE_NAMES, PROFILES } from '../../guest/profiles.js';
import { qemuArguments, type BootOptions } from '../../guest/qemu.js';
import { shellAssignments, shellQuote } from '../../guest/shell.js';

function boot(changes: Partial<BootOptions> = {}): string[] {
  return qemuArguments({
    profile: PROFILES.default,
    kernel: '/k',
    initramfs: '/i',
    files: { nvmeImage: '/with,comma/nvme', optionRom: '/rom' },
    out: undefined,
    cpus: 3,
    memory: 512,
    ...changes,
  });
}

/** @returns the values of an option that can be given several times */
function valuesOf(args: readonly string[], option: string): string[] {
  return args.filter((_, at) => args[at - 1] === option);
}

describe("the guest's command lines", () => {
  it('name processors, memory, kernel and initramfs', () => {
    const args = boot();
    assert.deepEqual(valuesOf(args, '-smp'), ['3']);
    assert.deepEqual(valuesOf(args, '-m'), ['512M']);
    assert.deepEqual(valuesOf(args, '-kernel'), ['/k']);
    assert.deepEqual(valuesOf(args, '-initrd'), ['/i']);
  });

  it('put every device of bus 0 at its address in BDF, and no two at one address', () => {
    const places = valuesOf(boot({ out: '/out' }), '-device')
      .filter((device) => !device.includes('bus='))
      .flatMap((device) => /,addr=([0-9a-f]+(?:\.\d)?)(?:,|$)/.exec(device)?.[1] ?? []);
    const full = places.map(
      (place) => `0000:00:${place.replace(/\.\d$/, '').padStart(2, '0')}.${place.split('.')[1] ?? '0'}`,
    );
    assert.equal(new Set(full).size, full.length);
    for (const bdf of Object.values(BDF).filter((name) => name.startsWith('0000:00:')))
      assert.ok(full.includes(bdf), bdf);
  });

  it('have the kernel options of the profile', () => {
    const lines = Object.fromEntries(
      PROFILE_NAMES.map((name) => [name, valuesOf(boot({ profile: PROFILES[name] }), '-append')[0]]),
    );
    assert.match(lines['default'] ?? '', / intel_iommu=on$/);
    assert.match(lines['noiommu'] ?? '', / intel_iommu=off vfio\.enable_unsafe_noiommu_mode=1$/);
  });

  it('divide CPUs and memory among NUMA nodes', () => {
    assert.deepEqual(valuesOf(boot(), '-numa'), []);
    const args = boot({ profile: { ...PROFILES.default, numaNodes: 2 }, memory: 513 });
    assert.deepEqual(valuesOf(args, '-numa'), [
      'node,nodeid=0,memdev=node0,cpus=0,cpus=2',
      'node,nodeid=1,memdev=node1,cpus=1',
    ]);
    const nodes = valuesOf(args, '-object').filter((object) => object.includes('id=node'));
    assert.deepEqual(nodes, ['memory-backend-ram,id=node0,size=257M', 'memory-backend-ram,id=node1,size=256M']);
  });

  it('double the commas of paths', () => {
    assert.ok(valuesOf(boot(), '-drive')[0]?.startsWith('file=/with,,comma/nvme,'));
    assert.ok(boot({ out: '/a,b' }).some((value) => value.includes('path=/a,,b,')));
  });

  it('share a writable folder only on request', () => {
    assert.equal(valuesOf(boot(), '-fsdev').length, 1);
    assert.ok(valuesOf(boot(), '-fsdev')[0]?.includes('readonly=on'));
    assert.equal(valuesOf(boot({ out: '/out' }), '-fsdev').length, 2);
  });

  it('quote words so that a shell returns them unchanged', () => {
    const words = ['plain', "it's", '$HOME `x` "q" \\', 'two\nlines', ''];
    const script = `printf '%s\\0' ${words.map(shellQuote).join(' ')}`;
    assert.deepEqual(execFileSync('sh', ['-c', script], { encoding: 'utf8' }).split('\0').slice(0, -1), words);
    const assigned = `${shellAssignments({ A: "it's $HOME" })}printf %s "$A"`;
    assert.equal(execFileSync('sh', ['-c', assigned], { encoding: 'utf8' }), "it's $HOME");
    assert.throws(() => shellAssignments({ 'A;B': '' }), RangeError);
  });

  it('give pci-testdev a ROM with a signature and a PCIR structure', () => {
    const rom = Buffer.from(optionRom());
    assert.equal(rom.readUInt16LE(0), 0xaa55);
    assert.equal(rom.toString('latin1', rom.readUInt16LE(0x18), rom.readUInt16LE(0x18) + 4), 'PCIR');
  });
});
