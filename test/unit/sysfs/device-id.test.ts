import assert from 'node:assert/strict';

import fc from 'fast-check';

import { formatBdf, parseDeviceId } from '../../../lib/sysfs/device-id.js';

const refused = (text: string, pattern: RegExp): void => {
  assert.throws(() => parseDeviceId(text), { code: 'ERR_INVALID_ARGUMENT', message: pattern }, text);
};

describe('parseDeviceId', () => {
  it('parses every PCI address, with and without its domain, in upper and lower case', () => {
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

  it('parses UUIDs of mediated devices, aliases and paths', () => {
    const uuid = '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001';
    const sysfsPath = `/sys/bus/mdev/devices/${uuid}`;
    assert.deepEqual(parseDeviceId(uuid.toUpperCase()), { kind: 'mdev', name: uuid, sysfsPath });
    assert.deepEqual(parseDeviceId('edu'), { kind: 'alias', name: 'edu' });
    assert.equal(parseDeviceId('/sys/devices/pci0000:00/0000:00:04.0/').name, '0000:00:04.0');
  });

  it('rejects other text with a hint that lists the valid forms', () => {
    refused('00:20.0', /00 to 1f/);
    refused('00:04.8', /0 to 7/);
    for (const text of ['', ' ', '00:04', '0000:00:04', 'g0:04.0', '10000:00:04.0', '00:04.0 ', 'edu.', '-x']) {
      refused(text, /\[dddd:\]bb:dd\.f/);
    }
    for (const text of ['/dev/vfio/26', '/sys/../etc/x', '/sys//x', '/sys/x', '/sys/bus/pci/devices/a b']) {
      refused(text, /under \/sys|name of a device/);
    }
  });

  it('does not take malformed text for another device', () => {
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
