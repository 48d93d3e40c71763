import assert from 'node:assert/strict';

import fc from 'fast-check';

import { VfioError } from '../../../lib/base/errors.js';
import * as wire from '../../../lib/vfio-user/protocol/protocol.js';
import {
  decodeDmaRead,
  decodeRegionWriteMultiReply,
  encodeFeature,
  encodeRegionWriteMulti,
} from '../../support/peer-codec.js';

const u16 = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const u64 = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
const offset = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const bytes = fc.uint8Array({ maxLength: 100 });
const fails = { code: 'ERR_PROTOCOL' };

/** Every decoder, for tests with arbitrary bytes. */
const decoders: Record<string, (bytes: Uint8Array) => unknown> = {
  header: wire.decodeHeader,
  version: wire.decodeVersion,
  dmaMap: wire.decodeDmaMap,
  dmaUnmap: wire.decodeDmaUnmap,
  dmaRead: decodeDmaRead,
  dmaData: wire.decodeDmaData,
  dmaWriteReply: wire.decodeDmaWriteReply,
  deviceInfoQuery: wire.decodeDeviceInfoQuery,
  deviceInfo: wire.decodeDeviceInfo,
  irqInfoQuery: wire.decodeIrqInfoQuery,
  irqInfo: wire.decodeIrqInfo,
  irqSet: wire.decodeIrqSet,
  regionInfoQuery: wire.decodeRegionInfoQuery,
  regionInfo: wire.decodeRegionInfo,
  regionAccess: wire.decodeRegionAccess,
  regionData: wire.decodeRegionData,
  writeMulti: wire.decodeRegionWriteMulti,
  writeMultiReply: decodeRegionWriteMultiReply,
  feature: wire.decodeFeature,
  regionIoFdsQuery: wire.decodeRegionIoFdsQuery,
};

describe('vfio-user protocol', () => {
  describe('a decoder of any bytes', () => {
    // Small numbers make lengths and counts that nearly fit, which pure noise never does.
    const nearly = fc
      .array(fc.oneof(u32, fc.integer({ min: 0, max: 64 })), { maxLength: 30 })
      .map((words) => new Uint8Array(Uint32Array.from(words).buffer));
    for (const [name, decode] of Object.entries(decoders)) {
      it(`${name}: returns a value or throws ERR_PROTOCOL`, () => {
        fc.assert(
          fc.property(fc.oneof(bytes, nearly), (input) => {
            try {
              assert.notEqual(decode(input), undefined);
            } catch (error) {
              assert.ok(error instanceof VfioError, String(error));
              assert.equal(error.code, 'ERR_PROTOCOL');
            }
          }),
          { numRuns: 2000 },
        );
      });
    }
  });

  describe('decodes what it encoded', () => {
    const roundTrip = <T>(
      name: string,
      values: fc.Arbitrary<T>,
      encode: (value: T) => Uint8Array,
      decode: (bytes: Uint8Array) => unknown,
    ) =>
      it(name, () => {
        fc.assert(fc.property(values, (value) => assert.deepEqual(decode(encode(value)), structuredClone(value))));
      });
    const dataOf = <T extends { data: Uint8Array }>(value: T) => ({ ...value, data: Uint8Array.from(value.data) });

    roundTrip(
      'a command header',
      fc.record({ id: u16, command: u16, size: u32.filter((n) => n >= 16), noReply: fc.boolean() }),
      (header) => wire.encodeHeader({ ...header, type: 'command' }),
      (input) => {
        const { type, ...header } = wire.decodeHeader(input);
        assert.equal(type, 'command');
        return header;
      },
    );
    roundTrip(
      'an error reply header',
      fc.record({ id: u16, command: u16, errno: u32 }),
      (header) => wire.encodeMessage({ ...header, type: 'reply' }),
      (input) => {
        const { type, size, ...header } = wire.decodeHeader(input);
        assert.deepEqual({ type, size }, { type: 'reply', size: 16 });
        return header;
      },
    );
    roundTrip(
      'VERSION',
      fc.record({
        major: u16,
        minor: u16,
        capabilities: fc.record({
          maxMsgFds: u32,
          maxDataXferSize: u32.filter((n) => n > 0),
          maxDmaMaps: u32,
          pageSizes: u32.filter((n) => n > 0),
          writeMultiple: fc.boolean(),
          twinSocket: fc.constant(false),
        }),
      }),
      wire.encodeVersion,
      wire.decodeVersion,
    );
    const range = fc.record({ iova: u64, size: u64 }).filter((r) => r.size > 0n && r.iova + r.size <= 1n << 64n);
    roundTrip(
      'DMA_MAP',
      fc.tuple(range, u32).map(([r, flags]) => ({ ...r, flags, fdOffset: 0n })),
      wire.encodeDmaMap,
      wire.decodeDmaMap,
    );
    const unmapped = fc.record({ iova: u64, size: u64, flags: u32.map((flags) => (flags & ~1) >>> 0) });
    roundTrip('DMA_UNMAP', unmapped, wire.encodeDmaUnmap, wire.decodeDmaUnmap);
    roundTrip(
      'DMA_UNMAP with the room for a bitmap',
      fc.tuple(unmapped, u64, u64).map(([unmap, pageSize, size]) => {
        return { ...unmap, flags: (unmap.flags | 1) >>> 0, bitmap: { pageSize, size } };
      }),
      wire.encodeDmaUnmap,
      wire.decodeDmaUnmap,
    );
    roundTrip(
      'DMA_READ',
      fc.record({ iova: u64, count: fc.integer({ min: 0, max: 1 << 20 }) }),
      wire.encodeDmaAccess,
      decodeDmaRead,
    );
    roundTrip(
      'DMA data',
      fc.tuple(u64, bytes).map(([iova, data]) => ({ iova, count: data.length, data })),
      ({ data, ...access }) => wire.encodeDmaAccess(access, data),
      (input) => dataOf(wire.decodeDmaData(input)),
    );
    roundTrip(
      'device info',
      fc.record({ flags: u32, numRegions: u32, numIrqs: u32 }),
      wire.encodeDeviceInfo,
      wire.decodeDeviceInfo,
    );
    roundTrip('irq info', fc.record({ flags: u32, index: u32, count: u32 }), wire.encodeIrqInfo, wire.decodeIrqInfo);
    roundTrip(
      'SET_IRQS with booleans',
      fc.tuple(
        u32.map((flags) => (flags | 2) >>> 0),
        u32,
        u32,
        bytes,
      ),
      ([flags, index, start, bools]) => wire.encodeIrqSet({ flags, index, start, count: bools.length, bools }),
      (input) => {
        const set = wire.decodeIrqSet(input);
        assert.equal(set.argsz, input.length);
        return [set.flags, set.index, set.start, Uint8Array.from(set.bools ?? [])];
      },
    );
    const area = fc.record({ offset: u32.map(BigInt), size: u32.map(BigInt) });
    const capabilities = fc.record(
      {
        sparseMmap: fc.array(area, { maxLength: 5 }),
        type: fc.record({ type: u32, subtype: u32 }),
        msixMappable: fc.constant(true),
      },
      { requiredKeys: [] },
    );
    roundTrip(
      'region info with its capabilities',
      fc.record({ index: u32, offset: u64, capabilities }).map((info) => ({
        ...info,
        flags: Object.keys(info.capabilities).length > 0 ? 8 : 0,
        size: 1n << 33n,
      })),
      (info) => wire.encodeRegionInfo(info, 4096),
      (input) => {
        const { info, argsz } = wire.decodeRegionInfo(input);
        assert.equal(argsz, input.length);
        return info;
      },
    );
    const access = fc.record({ regionOffset: offset, regionIndex: u32, count: fc.integer({ min: 0, max: 1 << 20 }) });
    roundTrip('a region access', access, wire.encodeRegionAccess, wire.decodeRegionAccess);
    roundTrip(
      'region data',
      fc.tuple(access, bytes).map(([a, data]) => ({ ...a, count: data.length, data })),
      ({ data, ...a }) => wire.encodeRegionAccess(a, data),
      (input) => dataOf(wire.decodeRegionData(input)),
    );
    const write = fc.record({
      regionOffset: offset,
      regionIndex: u32,
      data: fc.uint8Array({ minLength: 1, maxLength: 8 }),
    });
    roundTrip('REGION_WRITE_MULTI', fc.array(write), encodeRegionWriteMulti, (input) =>
      wire.decodeRegionWriteMulti(input).map(dataOf),
    );
    roundTrip('its reply', offset, wire.encodeRegionWriteMultiReply, decodeRegionWriteMultiReply);
    roundTrip(
      'DEVICE_FEATURE',
      fc.record({ argsz: u32.filter((n) => n >= 8), flags: u32, data: bytes }),
      encodeFeature,
      (input) => dataOf(wire.decodeFeature(input)),
    );
  });

  describe('on the wire', () => {
    it('has the bytes of a header', () => {
      const header = wire.encodeMessage({ id: 0x1234, command: wire.VFIO_USER_REGION_READ, type: 'reply', errno: 22 });
      assert.deepEqual([...header], [0x34, 0x12, 9, 0, 16, 0, 0, 0, 0x21, 0, 0, 0, 22, 0, 0, 0]);
    });
    it('has the sizes that QEMU sends and accepts', () => {
      assert.equal(wire.encodeDmaMap({ flags: 3, fdOffset: 0n, iova: 0n, size: 1n }).length, 32);
      assert.equal(wire.encodeDmaUnmap({ flags: 0, iova: 0n, size: 1n }).length, 24);
      assert.equal(wire.encodeIrqSet({ flags: 0x24, index: 2, start: 0, count: 1 }).length, 20);
      assert.equal(wire.encodeDeviceInfoQuery().length, 16);
    });
  });

  describe('rejects', () => {
    const version = (json: string) => wire.decodeVersion(Uint8Array.from([0, 0, 0, 0, ...Buffer.from(json)]));
    it('capabilities of the wrong type, but not unknown ones', () => {
      assert.throws(() => version('{"capabilities":{"write_multiple":1}}\0'), fails);
      assert.throws(() => version('{"capabilities":{"max_msg_fds":-1}}\0'), fails);
      assert.throws(() => version('{"capabilities":[]}\0'), fails);
      assert.throws(() => version('{"capabilities":{}}'), fails);
      assert.throws(() => version('{"capabilities":{}}\0{}\0'), fails);
      assert.equal(version('{"capabilities":{"migration":{"pgsize":4096}}}\0').capabilities.maxMsgFds, 1);
      assert.deepEqual(version('').capabilities, wire.DEFAULT_CAPABILITIES);
    });
    it('invalid header types and sizes', () => {
      const header = (size: number, flags: number) =>
        new Uint8Array(Uint32Array.of(0x0001_0000, size, flags, 0).buffer);
      assert.throws(() => wire.decodeHeader(header(15, 0)), fails);
      assert.throws(() => wire.decodeHeader(header(16, 2)), fails);
      assert.equal(wire.decodeHeader(header(20, 0x21)).errno, 0, 'libvfio-user sends error replies with a payload');
      assert.equal(wire.decodeHeader(header(16, 0)).command, 1);
    });
    it('a capability chain with a loop or an offset outside the payload', () => {
      const info = { index: 0, flags: 8, size: 4096n, offset: 0n, capabilities: { msixMappable: true } };
      const reply = wire.encodeRegionInfo(info, 4096);
      const next = (value: number) => {
        const broken = Uint8Array.from(reply);
        new DataView(broken.buffer).setUint32(36, value, true);
        return broken;
      };
      assert.equal(wire.decodeRegionInfo(next(0)).info.capabilities.msixMappable, true);
      for (const value of [32, 8, 36, 40, 0xffff_ffff]) {
        assert.throws(() => wire.decodeRegionInfo(next(value)), fails, `next ${value}`);
      }
    });
    it('sparse areas outside the region', () => {
      const capabilities = { sparseMmap: [{ offset: 4096n, size: 1n }] };
      const info = { index: 0, flags: 8, size: 4096n, offset: 0n, capabilities };
      assert.throws(() => wire.decodeRegionInfo(wire.encodeRegionInfo(info, 4096)), fails);
    });
    it('transfers above the limit', () => {
      assert.throws(
        () => wire.decodeRegionAccess(wire.encodeRegionAccess({ regionOffset: 0, regionIndex: 0, count: 9 }), 8),
        fails,
      );
      assert.throws(() => wire.encodeRegionAccess({ regionOffset: -1, regionIndex: 0, count: 0 }), {
        code: 'ERR_OUT_OF_RANGE',
      });
    });
  });

  it('omits the capabilities if the client has no room, and reports the room they need', () => {
    const info = {
      index: 1,
      flags: 15,
      size: 8192n,
      offset: 0n,
      capabilities: { sparseMmap: [{ offset: 0n, size: 4096n }] },
    };
    const short = wire.decodeRegionInfo(wire.encodeRegionInfo(info, 32));
    assert.deepEqual(short, { argsz: 32 + 32, info: { ...info, flags: 7, capabilities: {} } });
    assert.deepEqual(wire.decodeRegionInfo(wire.encodeRegionInfo(info, 64)).info, info);
  });
});
