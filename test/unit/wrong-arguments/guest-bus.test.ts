import { placeDevice } from '../../../lib/guest-bus/placed-device.js';
import { placeRegion } from '../../../lib/guest-bus/placement.js';
import { SimpleBus } from '../../../lib/guest-bus/simple-bus.js';
import { refuses } from '../../support/wrong-arguments.js';
import { FakeRegion } from '../guest-bus/fake-region.js';

const GPA = 0xc000_0000n;

describe('arguments of the guest bus that plain JavaScript gets wrong', () => {
  const region = new FakeRegion(0x1000);
  const bus = new SimpleBus();
  const [atGpa, atPort] = [{ gpa: GPA }, { port: 0xc000 }];
  const withoutMmio = Object.assign(new SimpleBus(), { registerMmio: undefined });

  describe('of placing', () => {
    afterEach(() => {
      if (bus.size !== 0) throw new Error('something was placed');
    });
    refuses(
      () => ({ placeRegion, placeDevice }),
      [
        ['no bus', 'placeRegion', [], /`bus` must be a GuestBus.* Received undefined/],
        ['null for a bus', 'placeDevice', [null], /`bus` must be a GuestBus.* Received null/],
        ['a bus without a method', 'placeRegion', [withoutMmio, region, atGpa], /has the method registerMmio/],
        ['no region', 'placeRegion', [bus], /`region` must be a Region.* Received undefined/],
        ['an object for a region', 'placeRegion', [bus, {}, atGpa], /`region` must be a Region.* Received an object/],
        ['a region with an empty descriptor', 'placeRegion', [bus, { descriptor: {} }, atGpa], /descriptor/],
        ['no address', 'placeRegion', [bus, region], /`address` must be .*`gpa` or a `port`.* Received undefined/],
        ['a number for an address', 'placeRegion', [bus, region, 5], /`address` must be .* Received 5/],
        ['a number for a gpa', 'placeRegion', [bus, region, { gpa: 4096 }], /gpa.*4096/],
        ['a text for a port', 'placeRegion', [bus, region, { port: '5' }], /port.*'5'/],
        ['a port beyond 0xffff', 'placeRegion', [bus, region, { port: 0x10000 }], /port.*65536/],
        ['ports for memory', 'placeRegion', [bus, region, atPort], /must be a `gpa`: it is memory/],
        ['options that are null', 'placeRegion', [bus, region, atGpa, null], /options.*null/],
        [
          'a page size of 3000',
          'placeRegion',
          [bus, region, atGpa, { pageSize: 3000 }],
          /pageSize.*power of two.*3000/,
        ],
        ['a number for onFault', 'placeRegion', [bus, region, atGpa, { onFault: 1 }], /onFault.*1/],
        ['no device', 'placeDevice', [bus], /`device` must be .*`config` and `regions`.* Received undefined/],
        ['a device without regions', 'placeDevice', [bus, { config: region }], /`device` must be .*`regions`/],
        ['a device without config', 'placeDevice', [bus, { regions: [] }], /`region` must be .* Received undefined/],
        [
          'a text for onRefused',
          'placeDevice',
          [bus, { config: region, regions: [] }, { onRefused: 'x' }],
          /onRefused.*'x'/,
        ],
      ],
    );
  });

  describe('of a simple bus', () => {
    refuses(
      () => bus,
      [
        ['a number for a gpa', 'read', [4096, 4], /gpa.*4096/],
        ['a length of 9', 'read', [GPA, 9], /length.*9/],
        ['a number for a value', 'write', [GPA, 4, 1], /`value` must be a bigint. Received 1/],
        ['a text for a port', 'readPort', ['5', 4], /port.*'5'/],
        ['NaN for a value', 'writePort', [5, 4, NaN], /value.*NaN/],
        ['a page of 100 bytes', 'mapMemory', [GPA, new Uint8Array(100), { size: 100 }], /whole pages of 4096 bytes/],
        ['ports beyond 0xffff', 'registerPio', [0xffff, 2, {}], /size.*2/],
        ['an address at which no range starts', 'unmapMemory', [GPA], /no range starts at 0xc0000000/],
      ],
    );
  });
});
