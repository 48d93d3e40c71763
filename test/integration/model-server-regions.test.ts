import assert from 'node:assert/strict';

import { startModel, type HostedModel } from '../../lib/models/hosting/start-model.js';
import { DMA, IDENT, REG } from '../../lib/models/testdev/layout.js';
import { addon } from '../../lib/native/addon.js';
import { errnoName, errnoNumber } from '../../lib/uapi/errno.js';
import * as pci from '../../lib/uapi/pci.js';
import * as vfio from '../../lib/uapi/vfio.js';
import * as wire from '../../lib/vfio-user/protocol/protocol.js';
import { bytes32, RawClient } from '../support/raw-client.js';
import { decodeRegionWriteMultiReply, encodeFeature, encodeRegionWriteMulti } from '../support/peer-codec.js';

const CONFIG = vfio.VFIO_PCI_CONFIG_REGION_INDEX;
const ROM = vfio.VFIO_PCI_ROM_REGION_INDEX;
const ALL_ON = pci.PCI_COMMAND_IO | pci.PCI_COMMAND_MEMORY | pci.PCI_COMMAND_MASTER;

describe('the regions of a served testdev', () => {
  let model: HostedModel;
  let client: RawClient;

  before(async () => {
    model = await startModel({ model: 'testdev' });
    client = new RawClient(model.socket);
    client.version();
  });

  after(async () => {
    client.close();
    await model.stop();
  });

  beforeEach(() => {
    client.command(ALL_ON);
    client.expect(wire.VFIO_USER_DEVICE_RESET);
  });

  function regionInfo(index: number, argsz = 32): ReturnType<typeof wire.decodeRegionInfo> & { fds: number[] } {
    const reply = client.expect(wire.VFIO_USER_DEVICE_GET_REGION_INFO, wire.encodeRegionInfoQuery({ index, argsz }));
    return { ...wire.decodeRegionInfo(reply.payload), fds: reply.fds };
  }

  function errnoOf(command: number, payload?: Uint8Array): string {
    const { errno } = client.request(command, payload).header;
    return errno === undefined ? 'none' : errnoName(errno);
  }

  const readErrno = (regionIndex: number, regionOffset: number, count: number): string =>
    errnoOf(wire.VFIO_USER_REGION_READ, wire.encodeRegionAccess({ regionIndex, regionOffset, count }));
  const writeErrno = (regionIndex: number, regionOffset: number, data: Uint8Array): string =>
    errnoOf(
      wire.VFIO_USER_REGION_WRITE,
      wire.encodeRegionAccess({ regionIndex, regionOffset, count: data.length }, data),
    );

  it('are described: a mapped region with its descriptor, a sparse region by the argsz rule, ports, ROM, config', () => {
    const bar0 = regionInfo(0);
    assert.deepEqual([bar0.info.flags, bar0.info.size, bar0.fds.length], [7, 0x10000n, 1]);
    const bar2 = regionInfo(2);
    assert.deepEqual([bar2.info.flags, bar2.argsz, bar2.info.capabilities], [7, 32 + 16 + 32, {}]);
    const whole = regionInfo(2, bar2.argsz);
    assert.equal(whole.info.flags, 15);
    assert.deepEqual(whole.info.capabilities.sparseMmap, [
      { offset: 0x1000n, size: 0x2000n },
      { offset: 0x8000n, size: 0x4000n },
    ]);
    for (const fd of [...bar0.fds, ...bar2.fds, ...whole.fds]) addon.closeFdSync(fd);
    assert.deepEqual([regionInfo(1).info.flags, regionInfo(1).info.size], [3, 256n]);
    assert.deepEqual([regionInfo(3).info.flags, regionInfo(3).info.size], [0, 0n]);
    assert.deepEqual([regionInfo(ROM).info.flags, regionInfo(ROM).info.size], [1, 2048n]);
    assert.deepEqual([regionInfo(CONFIG).info.flags, regionInfo(CONFIG).info.size], [3, 4096n]);
    for (const index of [9, 0xffff_ffff]) {
      const query = wire.encodeRegionInfoQuery({ index, argsz: 32 });
      assert.equal(errnoOf(wire.VFIO_USER_DEVICE_GET_REGION_INFO, query), 'EINVAL');
    }
    const short = wire.encodeRegionInfoQuery({ index: 0, argsz: 31 });
    assert.equal(errnoOf(wire.VFIO_USER_DEVICE_GET_REGION_INFO, short), 'EINVAL');
  });

  it('answer queries as long as their reply, and absent indexes with size 0 or count 0', () => {
    const longer = (query: Uint8Array, length: number): Uint8Array => {
      const whole = new Uint8Array(length);
      whole.set(query);
      return whole;
    };
    const sparse = longer(wire.encodeRegionInfoQuery({ index: 2, argsz: 80 }), 80);
    const { payload, fds } = client.expect(wire.VFIO_USER_DEVICE_GET_REGION_INFO, sparse);
    assert.equal(wire.decodeRegionInfo(payload).info.capabilities.sparseMmap?.length, 2);
    for (const fd of fds) addon.closeFdSync(fd);
    for (const index of [3, 8]) {
      const absent = longer(wire.encodeRegionInfoQuery({ index, argsz: 96 }), 96);
      const reply = client.expect(wire.VFIO_USER_DEVICE_GET_REGION_INFO, absent);
      const info = { index, flags: 0, size: 0n, offset: 0n, capabilities: {} };
      assert.deepEqual(wire.decodeRegionInfo(reply.payload), { argsz: 32, info });
      assert.equal(reply.payload.length, 32);
    }
    const irq = client.expect(wire.VFIO_USER_DEVICE_GET_IRQ_INFO, longer(wire.encodeIrqInfoQuery(1), 64));
    assert.deepEqual(wire.decodeIrqInfo(irq.payload), { index: 1, flags: 9, count: 4 });
    const device = client.expect(wire.VFIO_USER_DEVICE_GET_INFO, longer(wire.encodeDeviceInfoQuery(), 24));
    assert.equal(wire.decodeDeviceInfo(device.payload).numRegions, 9);
    const ioFds = longer(new Uint8Array(Uint32Array.of(16, 0, 2, 0).buffer), 32);
    assert.equal(client.expect(wire.VFIO_USER_DEVICE_GET_REGION_IO_FDS, ioFds).payload.length, 16);
  });

  it('share mapped memory with reads and writes by message', () => {
    const { fds } = regionInfo(2);
    const mapping = addon.mappingCreate(fds[0] ?? -1, 0n, 0x10000, 3);
    const view = new Uint8Array(addon.mappingView(mapping));
    view.set([1, 2, 3, 4, 5], 0x1003);
    assert.deepEqual([...client.read(2, 0x1002, 7)], [0, 1, 2, 3, 4, 5, 0]);
    client.write(2, 0x8001, Uint8Array.of(7, 8, 9));
    assert.deepEqual([...view.subarray(0x8000, 0x8005)], [0, 7, 8, 9, 0]);
    client.write32(2, 0x3000, 0x55);
    assert.equal(view[0x3000], 0, 'behind an area there are registers');
    addon.mappingClose(mapping);
    addon.closeFdSync(fds[0] ?? -1);
  });

  it('split long and unaligned accesses into naturally aligned ones, as vfio-pci does', () => {
    const accesses: [offset: number, length: number, lastOffset: number, lastWidth: number][] = [
      [0, 8, 0, 8],
      [0, 16, 8, 8],
      [4, 8, 8, 4],
      [2, 4, 4, 2],
      [1, 3, 2, 2],
      [1, 8, 8, 1],
      [6, 1, 6, 1],
      [3, 12, 14, 1],
    ];
    for (const [offset, length, lastOffset, lastWidth] of accesses) {
      client.read(2, REG.PROBE + offset, length);
      assert.equal(
        client.read32(2, REG.LAST_ACCESS),
        ((REG.PROBE + lastOffset) << 8) | lastWidth,
        `${offset}+${length}`,
      );
      client.write(2, REG.PROBE + offset, new Uint8Array(length));
      assert.equal(client.read32(2, REG.LAST_ACCESS), ((REG.PROBE + lastOffset) << 8) | 0x10 | lastWidth);
    }
    const counters = new DataView(client.read(2, 0, 4096).slice().buffer);
    assert.equal(counters.getUint32(0, true), 0, 'IDENT is a 4-byte register: 8 bytes reach nothing');
    assert.equal(client.read32(2, 0), IDENT);
  });

  it('combine registers and memory in one access', () => {
    client.write(2, 0x1000, Uint8Array.of(0xaa, 0xbb));
    client.write(2, REG.PROBE_END - 2, Uint8Array.of(0x11, 0x22, 0xcc));
    assert.deepEqual([...client.read(2, REG.PROBE_END - 2, 4)], [0x11, 0x22, 0xcc, 0xbb]);
  });

  it('shorten an access that crosses their end, and reject one past it', () => {
    assert.equal(client.read(0, 0xfffc, 8).length, 4);
    const data = Uint8Array.of(1, 2, 3, 4);
    const crossing = client.expect(
      wire.VFIO_USER_REGION_WRITE,
      wire.encodeRegionAccess({ regionIndex: 0, regionOffset: 0xfffe, count: 4 }, data),
    );
    assert.equal(wire.decodeRegionAccess(crossing.payload).count, 2);
    assert.equal(client.read(0, 0, 0).length, 0);
    for (const [index, offset] of [
      [0, 0x10000],
      [3, 0],
      [5, 0],
      [8, 0],
      [9, 0],
      [0, 2 ** 52],
      [ROM, 2048],
    ] as const) {
      assert.equal(readErrno(index, offset, 4), 'EINVAL', `region ${index} at ${offset}`);
      assert.equal(writeErrno(index, offset, data), 'EINVAL');
    }
    assert.equal(readErrno(CONFIG, 4096, 4), 'EFAULT');
    assert.equal(readErrno(CONFIG, 4094, 4), 'EFAULT');
    assert.equal(writeErrno(CONFIG, 4096, data), 'EFAULT');
    assert.equal(writeErrno(ROM, 0, data), 'EINVAL');
  });

  it('reject counts that do not match the data, and counts above the limit', () => {
    const lying = wire.encodeRegionAccess({ regionIndex: 0, regionOffset: 0, count: 8 }, new Uint8Array(4));
    assert.equal(errnoOf(wire.VFIO_USER_REGION_WRITE, lying), 'EINVAL');
    assert.equal(errnoOf(wire.VFIO_USER_REGION_READ, lying), 'EINVAL');
    assert.equal(readErrno(0, 0, (1 << 20) + 1), 'EINVAL');
    assert.equal(client.read(0, 0, 1 << 20).length, 0x10000);
  });

  it('answer EIO for memory and all ones for ports while decoding is off', () => {
    client.write(1, 0, Uint8Array.of(5));
    client.command(pci.PCI_COMMAND_MEMORY);
    client.write(1, 0, Uint8Array.of(6));
    assert.deepEqual([...client.read(1, 0, 2)], [0xff, 0xff]);
    client.command(pci.PCI_COMMAND_IO);
    assert.deepEqual([...client.read(1, 0, 2)], [5, 0]);
    for (const index of [0, 2, 4, ROM]) assert.equal(readErrno(index, 0, 4), 'EIO', `region ${index}`);
    assert.equal(writeErrno(0, 0, bytes32(1)), 'EIO');
  });

  it('show config space: sizes of BARs and ROM, capabilities, writable bits', () => {
    const probe = (offset: number): number => {
      client.write32(CONFIG, offset, 0xffff_ffff);
      const value = client.read32(CONFIG, offset);
      client.write32(CONFIG, offset, 0);
      return value;
    };
    const bars = [0x10, 0x14, 0x18, 0x1c, 0x20, 0x24, 0x30].map(probe);
    assert.deepEqual(bars, [0xffff_0000, 0xffff_ff01, 0xffff_000c, 0xffff_ffff, 0xffff_f000, 0, 0xffff_f801]);
    client.write32(CONFIG, 0, 0);
    assert.equal(client.read32(CONFIG, 0), 0x7e57_1234);
    const config = client.read(CONFIG, 0, 4096);
    assert.equal((config[pci.PCI_STATUS] ?? 0) & pci.PCI_STATUS_CAP_LIST, pci.PCI_STATUS_CAP_LIST);
    const ids: number[] = [];
    for (let at = config[pci.PCI_CAPABILITY_LIST] ?? 0; at !== 0; at = config[at + 1] ?? 0) ids.push(config[at] ?? 0);
    assert.deepEqual(ids, [pci.PCI_CAP_ID_MSI, pci.PCI_CAP_ID_MSIX, pci.PCI_CAP_ID_EXP]);
    assert.deepEqual([...client.read(CONFIG, 1, 3)], [0x12, 0x57, 0x7e]);
    client.command(0xffff);
    assert.equal(client.read32(CONFIG, pci.PCI_COMMAND) & 0xffff, 0x507);
  });

  it('serve the ROM image', () => {
    assert.deepEqual([...client.read(ROM, 0, 2)], [0x55, 0xaa]);
  });

  it('have an MSI-X table with only the mask bit writable in control words, and read-only pending bits', () => {
    assert.equal(client.read32(4, 12) & 1, 0 | 1);
    client.write(4, 0, new Uint8Array(16).fill(0xff));
    assert.deepEqual([...client.read(4, 8, 8)], [0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0]);
    client.write32(4, 0x800, 0xffff_ffff);
    assert.equal(client.read32(4, 0x800), 0);
    client.write(4, 0, new Uint8Array(12));
  });

  it('are reset by DEVICE_RESET and by function-level reset, and keep config space', () => {
    client.write32(CONFIG, pci.PCI_BASE_ADDRESS_0, 0xfe00_0000);
    client.write32(2, REG.SCRATCH, 5);
    const resets = client.read32(2, REG.RESETS);
    client.expect(wire.VFIO_USER_DEVICE_RESET);
    assert.deepEqual([client.read32(2, REG.SCRATCH), client.read32(2, REG.RESETS)], [0, resets + 1]);
    client.write32(2, REG.SCRATCH, 6);
    const express = 0x60;
    client.write(CONFIG, express + pci.PCI_EXP_DEVCTL, Uint8Array.of(0x10, 0xa8));
    assert.deepEqual([client.read32(2, REG.SCRATCH), client.read32(2, REG.RESETS)], [0, resets + 2]);
    assert.equal(client.read32(CONFIG, express + pci.PCI_EXP_DEVCTL) & 0xffff, 0x2810);
    assert.equal(client.read32(CONFIG, pci.PCI_BASE_ADDRESS_0), 0xfe00_0000);
    assert.equal(errnoOf(wire.VFIO_USER_DEVICE_RESET, bytes32(0)), 'EINVAL');
  });

  it('answer EIO if the model throws, and continue', () => {
    client.write32(2, REG.FAULT, 1);
    assert.equal(readErrno(2, REG.FAULT, 4), 'EIO');
    assert.equal(client.read32(2, REG.FAULT), 0);
    assert.equal(writeErrno(2, REG.FAULT, bytes32(0)), 'EIO');
    assert.equal(client.read32(2, REG.IDENT), IDENT);
  });

  it('perform REGION_WRITE_MULTI up to the first write that fails', () => {
    const write = (regionOffset: number, value: number): wire.WireRegionWrite => {
      return { regionIndex: 2, regionOffset, data: bytes32(value) };
    };
    const multi = (...writes: wire.WireRegionWrite[]): Uint8Array => encodeRegionWriteMulti(writes);
    const good = client.expect(wire.VFIO_USER_REGION_WRITE_MULTI, multi(write(8, 1), write(16, 2), write(8, 3)));
    assert.equal(decodeRegionWriteMultiReply(good.payload), 3);
    const half = client.expect(wire.VFIO_USER_REGION_WRITE_MULTI, multi(write(8, 4), write(REG.FAULT, 0), write(8, 5)));
    assert.equal(decodeRegionWriteMultiReply(half.payload), 1);
    assert.equal(client.read32(2, 8), 4);
    assert.equal(errnoOf(wire.VFIO_USER_REGION_WRITE_MULTI, multi(write(0x10000, 0))), 'EINVAL');
    assert.equal(errnoOf(wire.VFIO_USER_REGION_WRITE_MULTI, multi(write(8, 0)).subarray(0, 20)), 'EINVAL');
  });

  it('perform posted writes before the next command', () => {
    for (let value = 0; value < 50; value += 1) {
      const access = { regionIndex: 2, regionOffset: REG.SCRATCH, count: 4 };
      client.send(wire.VFIO_USER_REGION_WRITE, wire.encodeRegionAccess(access, bytes32(value)), [], true);
    }
    assert.equal(client.read32(2, REG.SCRATCH), 49);
  });

  it('have no sub-regions and no features, and reject unknown commands', () => {
    const query = new Uint8Array(16);
    query.set(bytes32(16));
    const reply = client.expect(wire.VFIO_USER_DEVICE_GET_REGION_IO_FDS, query);
    assert.deepEqual([...reply.payload], [...query]);
    const probe = encodeFeature({ argsz: 8, flags: vfio.VFIO_DEVICE_FEATURE_PROBE | 1, data: new Uint8Array() });
    assert.equal(errnoOf(wire.VFIO_USER_DEVICE_FEATURE, probe), 'ENOTTY');
    for (const command of [0, 14, 17, 18, 999, wire.VFIO_USER_VERSION, wire.VFIO_USER_DMA_READ]) {
      assert.equal(client.request(command).header.errno, errnoNumber('EOPNOTSUPP'), `command ${command}`);
    }
  });

  it('are slow as configured', () => {
    client.write32(2, REG.DELAY, 30);
    const start = performance.now();
    client.read32(2, REG.SLOW);
    assert.ok(performance.now() - start >= 25);
  });

  it('share a mapped BAR with the model’s DMA', () => {
    client.write(0, 0x10, Uint8Array.of(1, 2, 3, 4));
    client.write64(2, REG.DMA_SOURCE, 0x10n);
    client.write64(2, REG.DMA_TARGET, 0x20n);
    client.write32(2, REG.DMA_LENGTH, 4);
    client.write32(2, REG.DMA_CONTROL, DMA.START | DMA.SOURCE_IS_BAR0 | DMA.TARGET_IS_BAR0);
    assert.equal(client.read32(2, REG.DMA_STATUS), DMA.DONE);
    assert.deepEqual([...client.read(0, 0x20, 4)], [1, 2, 3, 4]);
  });
});
