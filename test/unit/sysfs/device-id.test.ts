import assert from 'node:assert/strict';

import fc from 'fast-check';

import { formatBdf, parseDeviceId } from '../../../lib/sysfs/device-id.js';

const refused = (text: string, pattern: RegExp): void => {
  assert.throws(() => parseDeviceId(text), { code: 'ERR_INVALID_ARGUMENT', message: pattern }, text);
};

describe('device id', () => {
  it('reads back every PCI address, with and without its domain, in either case', () => {
    const numbers = fc.tuple(fc.nat(0xffff), fc.nat(0xff), fc.nat(0x1f), fc.nat(7));
    fc.assert(
      fc.property(numbers, fc.boolean(), ([domain, bus, slot, fn], upper) => {
        const name = formatBdf(domain, bus, slot, fn);
        const sysfsPath = `/sys/bus/pci/devices/${name}`;
        const text = domain === 0 ? name.slice(5) : name;
        const id = parseDeviceId(upper ? text.toUpperCase() : text);
        assert.deepEqual(id, { kind: 'pci', name, sysfsPath });
        assert.deepEqual(parseDeviceId(sysfsPath), { kind: 'path', name, sysfsPath });
      }),
    );
  });

  it('reads mdev UUIDs, aliases and paths', () => {
    const uuid = '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001';
    const sysfsPath = `/sys/bus/mdev/devices/${uuid}`;
    assert.deepEqual(parseDeviceId(uuid.toUpperCase()), { kind: 'mdev', name: uuid, sysfsPath });
    assert.deepEqual(parseDeviceId('edu'), { kind: 'alias', name: 'edu' });
    assert.equal(parseDeviceId('/sys/devices/pci0000:00/0000:00:04.0/').name, '0000:00:04.0');
  });

  it('refuses what is none, saying which forms there are', () => {
    refused('00:20.0', /00 to 1f/);
    refused('00:04.8', /0 to 7/);
    for (const text of ['', ' ', '00:04', '0000:00:04', 'g0:04.0', '10000:00:04.0', '00:04.0 ', 'edu.', '-x']) {
      refused(text, /\[dddd:\]bb:dd\.f/);
    }
    for (const text of ['/dev/vfio/26', '/sys/../etc/x', '/sys//x', '/sys/x', '/sys/bus/pci/devices/a b']) {
      refused(text, /under \/sys|name of a device/);
    }
  });

  it('never takes odd text for a device of another name', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          const { kind, name } = parseDeviceId(text);
          assert.ok(
            kind === 'path' ||
              text.toLowerCase().includes(
                name
                  .replace(/^0000:/, '')
                  .toLowerCase()
                  .slice(-2),
              ),
          );
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'ERR_INVALID_ARGUMENT');
        }
      }),
    );
  });
});
