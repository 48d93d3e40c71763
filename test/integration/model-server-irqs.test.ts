import assert from 'node:assert/strict';

import { startModel, type HostedModel } from '../../lib/models/hosting/start-model.js';
import { REG } from '../../lib/models/testdev/layout.js';
import { addon } from '../../lib/native/addon.js';
import { errnoName } from '../../lib/uapi/errno.js';
import * as vfio from '../../lib/uapi/vfio.js';
import * as wire from '../../lib/vfio-user/protocol/protocol.js';
import { bytes32, RawClient } from '../support/raw-client.js';

const { VFIO_PCI_INTX_IRQ_INDEX: INTX, VFIO_PCI_MSI_IRQ_INDEX: MSI, VFIO_PCI_MSIX_IRQ_INDEX: MSIX } = vfio;
const { VFIO_PCI_ERR_IRQ_INDEX: ERR, VFIO_PCI_REQ_IRQ_INDEX: REQ } = vfio;
const NONE = vfio.VFIO_IRQ_SET_DATA_NONE;
const BOOL = vfio.VFIO_IRQ_SET_DATA_BOOL;
const EVENTFD = vfio.VFIO_IRQ_SET_DATA_EVENTFD;
const MASK = vfio.VFIO_IRQ_SET_ACTION_MASK;
const UNMASK = vfio.VFIO_IRQ_SET_ACTION_UNMASK;
const TRIGGER = vfio.VFIO_IRQ_SET_ACTION_TRIGGER;
const MSIX_CONTROL = 0x52;

describe('the interrupts of a served testdev', () => {
  let model: HostedModel;
  let client: RawClient;
  let events: number[];

  beforeEach(async () => {
    model = await startModel({ model: 'testdev' });
    client = new RawClient(model.socket);
    client.version();
    client.command(7);
    events = Array.from({ length: 4 }, () => addon.eventfdCreate());
  });

  afterEach(async () => {
    for (const event of events) addon.closeFdSync(event);
    client.close();
    await model.stop();
  });

  /** SET_IRQS; `fds` are indexes into `events`. @returns the errno's name, or `ok` */
  function set(
    flags: number,
    index: number,
    start: number,
    count: number,
    fds: number[] = [],
    bools?: Uint8Array,
  ): string {
    const payload = wire.encodeIrqSet({ flags, index, start, count, ...(bools !== undefined && { bools }) });
    const sent = fds.map((i) => events[i] ?? -1);
    const { errno } = client.request(wire.VFIO_USER_DEVICE_SET_IRQS, payload, sent).header;
    return errno === undefined ? 'ok' : errnoName(errno);
  }

  /** Takes the counts of all events. The request before has been served, so nothing is on its way. */
  function counts(): number[] {
    client.read32(2, REG.IDENT);
    return events.map((event) => addon.eventfdRead(event));
  }

  const line = (level: 0 | 1): void => client.write32(2, REG.LINE, level);
  const raise = (vector: number): void => client.write32(2, REG.RAISE, vector);

  it('are described as by vfio-pci', () => {
    const info = (index: number): unknown =>
      wire.decodeIrqInfo(client.expect(wire.VFIO_USER_DEVICE_GET_IRQ_INFO, wire.encodeIrqInfoQuery(index)).payload);
    assert.deepEqual([INTX, MSI, MSIX, ERR, REQ].map(info), [
      { index: 0, flags: 7, count: 1 },
      { index: 1, flags: 9, count: 4 },
      { index: 2, flags: 1, count: 16 },
      { index: 3, flags: 9, count: 1 },
      { index: 4, flags: 9, count: 1 },
    ]);
    const beyond = client.request(wire.VFIO_USER_DEVICE_GET_IRQ_INFO, wire.encodeIrqInfoQuery(5));
    assert.equal(errnoName(beyond.header.errno ?? 0), 'EINVAL');
  });

  it('answer invalid requests with the kernel’s errno', () => {
    const refused: [answer: string, flags: number, index: number, start: number, count: number, fds: number[]][] = [
      ['EINVAL', 0, MSI, 0, 1, []],
      ['EINVAL', EVENTFD | NONE | TRIGGER, MSI, 0, 1, [0]],
      ['EINVAL', NONE | TRIGGER | 0x100, MSI, 0, 1, []],
      ['EINVAL', NONE | TRIGGER, 5, 0, 1, []],
      ['EINVAL', NONE | TRIGGER, 99, 0, 1, []],
      ['EINVAL', EVENTFD | TRIGGER, MSI, 4, 1, [0]],
      ['EINVAL', EVENTFD | TRIGGER, MSI, 1, 0xffff_ffff, [0]],
      ['EINVAL', EVENTFD | TRIGGER, MSIX, 15, 2, [0, 1]],
      ['EINVAL', EVENTFD | TRIGGER, MSIX, 0, 3, [0, 1]],
      ['ERANGE', EVENTFD | TRIGGER, MSI, 0, 0, []],
      ['EINVAL', NONE | TRIGGER, MSI, 0, 0, []],
      ['EINVAL', NONE | TRIGGER, MSI, 0, 1, []],
      ['ENOTTY', NONE | MASK, MSI, 0, 1, []],
      ['ENOTTY', NONE | UNMASK, MSIX, 0, 1, []],
      ['ENOTTY', NONE | TRIGGER | MASK, INTX, 0, 1, []],
      ['EINVAL', NONE | MASK, INTX, 0, 1, []],
      ['EINVAL', NONE | UNMASK, INTX, 0, 1, []],
      ['EINVAL', NONE | TRIGGER, INTX, 0, 1, []],
      ['EINVAL', NONE | TRIGGER, REQ, 0, 1, []],
    ];
    for (const [answer, flags, index, start, count, fds] of refused) {
      assert.equal(set(flags, index, start, count, fds), answer, `flags ${flags} index ${index} ${start}+${count}`);
    }
    const short = client.request(wire.VFIO_USER_DEVICE_SET_IRQS, bytes32(8));
    assert.equal(errnoName(short.header.errno ?? 0), 'EINVAL');
  });

  it('reject a descriptor that is not an eventfd', () => {
    const [pipe, other] = addon.socketPair();
    const payload = wire.encodeIrqSet({ flags: EVENTFD | TRIGGER, index: MSI, start: 0, count: 1 });
    assert.equal(
      errnoName(client.request(wire.VFIO_USER_DEVICE_SET_IRQS, payload, [pipe]).header.errno ?? 0),
      'EINVAL',
    );
    addon.closeFdSync(pipe);
    addon.closeFdSync(other);
    assert.equal(set(EVENTFD | TRIGGER, INTX, 0, 1, [0]), 'ok', 'MSI stayed off');
  });

  it('send MSI: count each raise once, and signal no other vector or replaced eventfd', () => {
    assert.equal(set(EVENTFD | TRIGGER, MSI, 0, 2, [0, 1]), 'ok');
    raise(0);
    raise(1);
    raise(1);
    raise(3);
    raise(99);
    assert.deepEqual(counts(), [1, 2, 0, 0]);
    assert.equal(set(EVENTFD | TRIGGER, MSI, 0, 1, [2]), 'ok');
    raise(0);
    assert.deepEqual(counts(), [0, 0, 1, 0]);
    assert.equal(set(EVENTFD | TRIGGER, MSI, 0, 1), 'ok', 'no descriptor takes it away');
    raise(0);
    assert.deepEqual(counts(), [0, 0, 0, 0]);
    assert.equal(set(NONE | TRIGGER, MSI, 0, 0), 'ok');
    assert.equal(set(NONE | TRIGGER, MSI, 0, 0), 'EINVAL');
    raise(1);
    assert.deepEqual(counts(), [0, 0, 0, 0]);
  });

  it('are triggered by DATA_NONE and DATA_BOOL', () => {
    assert.equal(set(EVENTFD | TRIGGER, MSIX, 4, 3, [0, 1, 2]), 'ok');
    assert.equal(set(NONE | TRIGGER, MSIX, 5, 1), 'ok');
    assert.equal(set(BOOL | TRIGGER, MSIX, 4, 3, [], Uint8Array.of(1, 0, 1)), 'ok');
    assert.deepEqual(counts(), [1, 1, 1, 0]);
    assert.equal(set(EVENTFD | TRIGGER, REQ, 0, 1, [3]), 'ok');
    assert.equal(set(NONE | TRIGGER, REQ, 0, 1), 'ok');
    assert.deepEqual(counts(), [0, 0, 0, 1]);
  });

  it('have one enabled type at a time', () => {
    assert.equal(set(EVENTFD | TRIGGER, MSI, 0, 1, [0]), 'ok');
    assert.equal(set(EVENTFD | TRIGGER, INTX, 0, 1, [1]), 'EINVAL');
    assert.equal(set(EVENTFD | TRIGGER, MSIX, 0, 1, [1]), 'EINVAL');
    assert.equal(set(NONE | TRIGGER, MSI, 0, 0), 'ok');
    assert.equal(set(EVENTFD | TRIGGER, INTX, 0, 1, [1]), 'ok');
    assert.equal(set(EVENTFD | TRIGGER, MSI, 0, 1, [0]), 'EINVAL');
  });

  it('lose messages while bus mastering is off', () => {
    assert.equal(set(EVENTFD | TRIGGER, MSIX, 0, 1, [0]), 'ok');
    client.command(3);
    raise(0);
    assert.deepEqual(counts(), [0, 0, 0, 0]);
    client.command(7);
    assert.deepEqual(counts(), [0, 0, 0, 0]);
  });

  it('add MSI-X vectors while others are enabled, and keep masked messages pending', () => {
    assert.equal(set(EVENTFD | TRIGGER, MSIX, 0, 1, [0]), 'ok');
    assert.equal(set(EVENTFD | TRIGGER, MSIX, 10, 1, [1]), 'ok');
    client.write32(4, 10 * 16 + 12, 1);
    raise(10);
    raise(10);
    raise(0);
    assert.deepEqual(counts(), [1, 0, 0, 0]);
    assert.equal(client.read32(4, 0x800), 1 << 10);
    client.write32(4, 10 * 16 + 12, 0);
    assert.deepEqual(counts(), [0, 1, 0, 0]);
    assert.equal(client.read32(4, 0x800), 0);
    client.write(7, MSIX_CONTROL, Uint8Array.of(0, 0x40));
    raise(0);
    assert.deepEqual(counts(), [0, 0, 0, 0]);
    client.write(7, MSIX_CONTROL, Uint8Array.of(0, 0));
    assert.deepEqual(counts(), [1, 0, 0, 0]);
  });

  it('count a hundred thousand messages exactly', () => {
    assert.equal(set(EVENTFD | TRIGGER, MSIX, 3, 1, [0]), 'ok');
    for (let i = 0; i < 100; i += 1) client.write32(2, REG.BURST, (3 << 16) | 1000);
    assert.deepEqual(counts(), [100_000, 0, 0, 0]);
  });

  describe('INTx', () => {
    const status = (): number => client.read32(7, 4) >>> 16;

    beforeEach(() => assert.equal(set(EVENTFD | TRIGGER, INTX, 0, 1, [0]), 'ok'));

    it('is masked when signalled, and signalled again if unmasked while asserted', () => {
      line(1);
      assert.equal(status() & 8, 8);
      line(1);
      assert.deepEqual(counts(), [1, 0, 0, 0]);
      assert.equal(set(NONE | UNMASK, INTX, 0, 1), 'ok');
      assert.deepEqual(counts(), [1, 0, 0, 0]);
      line(0);
      assert.equal(status() & 8, 0);
      assert.equal(set(NONE | UNMASK, INTX, 0, 1), 'ok');
      assert.deepEqual(counts(), [0, 0, 0, 0]);
    });

    it('is held back by its mask and the disable bit; the status bit still shows it', () => {
      assert.equal(set(BOOL | MASK, INTX, 0, 1, [], Uint8Array.of(0)), 'ok');
      assert.equal(set(NONE | MASK, INTX, 0, 1), 'ok');
      line(1);
      assert.deepEqual(counts(), [0, 0, 0, 0]);
      client.command(0x407);
      assert.equal(set(BOOL | UNMASK, INTX, 0, 1, [], Uint8Array.of(1)), 'ok');
      assert.deepEqual(counts(), [0, 0, 0, 0]);
      assert.equal(status() & 8, 8);
      client.command(7);
      assert.deepEqual(counts(), [1, 0, 0, 0]);
      assert.equal(set(EVENTFD | MASK, INTX, 0, 1, [1]), 'ENOTTY');
    });

    it('is unmasked by the client’s eventfd', () => {
      assert.equal(set(EVENTFD | UNMASK, INTX, 0, 1, [1]), 'ok');
      line(1);
      assert.equal(addon.eventfdWait(events[0] ?? -1, 5000), 1);
      addon.eventfdWrite(events[1] ?? -1, 1);
      assert.equal(addon.eventfdWait(events[0] ?? -1, 5000), 1, 'still asserted: it came again');
      line(0);
      addon.eventfdWrite(events[1] ?? -1, 1);
      assert.equal(addon.eventfdWait(events[0] ?? -1, 30), 0);
      assert.equal(set(EVENTFD | UNMASK, INTX, 0, 1), 'ok');
    });

    it('is signalled when set up while asserted, falls with a reset, and is disabled by count 0', () => {
      assert.equal(set(NONE | TRIGGER, INTX, 0, 0), 'ok');
      line(1);
      assert.deepEqual(counts(), [0, 0, 0, 0]);
      assert.equal(set(EVENTFD | TRIGGER, INTX, 0, 1, [2]), 'ok');
      assert.deepEqual(counts(), [0, 0, 1, 0]);
      client.expect(wire.VFIO_USER_DEVICE_RESET);
      assert.equal(status() & 8, 0);
      assert.equal(set(NONE | UNMASK, INTX, 0, 1), 'ok');
      assert.deepEqual(counts(), [0, 0, 0, 0]);
      line(1);
      assert.deepEqual(counts(), [0, 0, 1, 0], 'what the client set up outlives a reset');
      assert.equal(set(EVENTFD | TRIGGER, INTX, 0, 1), 'ok');
      assert.equal(set(NONE | TRIGGER, INTX, 0, 0), 'ok');
      assert.equal(set(NONE | MASK, INTX, 0, 1), 'EINVAL');
    });
  });
});
