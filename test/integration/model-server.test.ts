import assert from 'node:assert/strict';

import { startModel, type HostedModel } from '../../lib/models/hosting/start-model.js';
import { addon } from '../../lib/native/addon.js';
import { errnoNumber } from '../../lib/uapi/errno.js';
import * as vfio from '../../lib/uapi/vfio.js';
import * as wire from '../../lib/vfio-user/protocol/protocol.js';
import { EDU_IDENT, EDU_REG } from '../../lib/models/edu/registers.js';
import { RawClient } from '../support/raw-client.js';
import { decodeDmaRead } from '../support/peer-codec.js';

const CONFIG = vfio.VFIO_PCI_CONFIG_REGION_INDEX;

describe('a served edu', () => {
  let model: HostedModel;
  let client: RawClient;

  beforeEach(async () => {
    model = await startModel({ model: 'edu' });
    client = new RawClient(model.socket);
    client.version();
  });

  afterEach(async () => {
    client.close();
    await model.stop();
  });

  it('is described before a client connects', () => {
    assert.equal(model.description.name, 'edu');
    assert.equal(model.description.identity.vendorId, 0x1234);
    assert.deepEqual(model.description.bars, [{ index: 0, size: 1 << 20, kind: 'memory32' }]);
  });

  it('describes its regions and interrupts', () => {
    const info = wire.decodeDeviceInfo(
      client.expect(wire.VFIO_USER_DEVICE_GET_INFO, wire.encodeDeviceInfoQuery()).payload,
    );
    assert.deepEqual(info, { flags: 2, numRegions: 9, numIrqs: 5 });
    const bar0 = client.expect(
      wire.VFIO_USER_DEVICE_GET_REGION_INFO,
      wire.encodeRegionInfoQuery({ index: 0, argsz: 32 }),
    );
    assert.deepEqual(wire.decodeRegionInfo(bar0.payload).info, {
      index: 0,
      flags: 3,
      size: 0x100000n,
      offset: 0n,
      capabilities: {},
    });
    assert.deepEqual(bar0.fds, []);
    const msi = client.expect(wire.VFIO_USER_DEVICE_GET_IRQ_INFO, wire.encodeIrqInfoQuery(1));
    assert.deepEqual(wire.decodeIrqInfo(msi.payload), { index: 1, flags: 9, count: 1 });
    const err = client.expect(wire.VFIO_USER_DEVICE_GET_IRQ_INFO, wire.encodeIrqInfoQuery(3));
    assert.deepEqual(wire.decodeIrqInfo(err.payload), { index: 3, flags: 9, count: 0 });
  });

  it('has config space, and answers EIO while memory decoding is off', () => {
    const config = client.read(CONFIG, 0, 256);
    assert.deepEqual([...config.subarray(0, 4)], [0x34, 0x12, 0xe8, 0x11]);
    client.write32(CONFIG, 0x10, 0xffff_ffff);
    assert.equal(client.read32(CONFIG, 0x10), 0xfff0_0000);
    const off = client.request(
      wire.VFIO_USER_REGION_READ,
      wire.encodeRegionAccess({ regionIndex: 0, regionOffset: 0, count: 4 }),
    );
    assert.equal(off.header.errno, errnoNumber('EIO'));
    client.command(2);
    assert.equal(client.read32(0, EDU_REG.IDENT), EDU_IDENT);
    client.write32(0, 4, 0x1234_5678);
    assert.equal(client.read32(0, 4), 0xedcb_a987);
  });

  it('does DMA by messages after the reply to the write, and interrupts by MSI', () => {
    client.command(6);
    const event = addon.eventfdCreate();
    const set = { flags: 0x24, index: 1, start: 0, count: 1 };
    client.expect(wire.VFIO_USER_DEVICE_SET_IRQS, wire.encodeIrqSet(set), [event]);
    client.mapMessages(0x10_0000n, 0x20_0000n);
    client.write64(0, EDU_REG.DMA_SOURCE, 0x10_0000n);
    client.write64(0, EDU_REG.DMA_TARGET, 0x40000n);
    client.write64(0, EDU_REG.DMA_COUNT, 16n);
    client.write64(0, EDU_REG.DMA_COMMAND, 5n);
    const ask = client.receive();
    assert.equal(ask?.header.command, wire.VFIO_USER_DMA_READ);
    const access = decodeDmaRead(ask?.payload ?? new Uint8Array());
    assert.deepEqual(access, { iova: 0x10_0000n, count: 16 });
    const data = Uint8Array.from({ length: 16 }, (_, i) => i + 1);
    client.sendRaw(
      wire.encodeMessage(
        { id: ask?.header.id ?? 0, command: wire.VFIO_USER_DMA_READ, type: 'reply' },
        wire.encodeDmaAccess(access, data),
      ),
    );
    assert.equal(addon.eventfdWait(event, 5000), 1);
    assert.equal(client.read32(0, EDU_REG.IRQ_STATUS), 0x100);
    client.write64(0, EDU_REG.DMA_SOURCE, 0x40000n);
    client.write64(0, EDU_REG.DMA_TARGET, 0x20_0000n);
    client.write64(0, EDU_REG.DMA_COMMAND, 3n);
    const back = client.receive();
    assert.equal(back?.header.command, wire.VFIO_USER_DMA_WRITE);
    assert.deepEqual([...wire.decodeDmaData(back?.payload ?? new Uint8Array()).data], [...data]);
    addon.closeFdSync(event);
  });
});
