import assert from 'node:assert/strict';

import { startModel, type HostedModel } from '../../lib/models/hosting/start-model.js';
import { DMA, REG } from '../../lib/models/testdev/layout.js';
import { addon } from '../../lib/native/addon.js';
import { errnoName, errnoNumber } from '../../lib/uapi/errno.js';
import { VFIO_DMA_UNMAP_FLAG_ALL, VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP } from '../../lib/uapi/vfio.js';
import * as wire from '../../lib/vfio-user/protocol/protocol.js';
import { bytes32, RawClient, type RawMessage } from '../support/raw-client.js';

const READ = wire.VFIO_USER_DMA_MAP_FLAG_READ;
const WRITE = wire.VFIO_USER_DMA_MAP_FLAG_WRITE;
const PAGE = 4096n;

describe('the DMA of a served testdev', () => {
  let model: HostedModel;
  let client: RawClient;

  beforeEach(async () => {
    model = await startModel({ model: 'testdev' });
    client = new RawClient(model.socket);
    client.version({ maxDataXferSize: 0x1000 });
    client.command(7);
  });

  afterEach(async () => {
    client.close();
    await model.stop();
  });

  function map(iova: bigint, size: bigint, flags = READ | WRITE, fd?: number, fdOffset = 0n): string {
    const payload = wire.encodeDmaMap({ iova, size, flags, fdOffset });
    const { errno } = client.request(wire.VFIO_USER_DMA_MAP, payload, fd === undefined ? [] : [fd]).header;
    return errno === undefined ? 'ok' : errnoName(errno);
  }

  function unmapAnswer(unmap: wire.WireDmaUnmap): string {
    const { errno } = client.request(wire.VFIO_USER_DMA_UNMAP, wire.encodeDmaUnmap(unmap)).header;
    return errno === undefined ? 'ok' : errnoName(errno);
  }

  function unmap(iova: bigint, size: bigint): void {
    client.expect(wire.VFIO_USER_DMA_UNMAP, wire.encodeDmaUnmap({ flags: 0, iova, size }));
  }

  function setUp(source: bigint, target: bigint, length: number): void {
    client.write64(2, REG.DMA_SOURCE, source);
    client.write64(2, REG.DMA_TARGET, target);
    client.write32(2, REG.DMA_LENGTH, length);
  }

  const start = (flags = 0): void => client.write32(2, REG.DMA_CONTROL, DMA.START | flags);
  const status = (): number => client.read32(2, REG.DMA_STATUS);

  /** A file of memory that this test sees as well. */
  function memory(size: bigint): { fd: number; bytes: Uint8Array; close(): void } {
    const fd = addon.memfdCreate('dma', size, 0);
    const mapping = addon.mappingCreate(fd, 0n, Number(size), 3);
    const close = (): void => {
      addon.mappingClose(mapping);
      addon.closeFdSync(fd);
    };
    return { fd, bytes: new Uint8Array(addon.mappingView(mapping)), close };
  }

  function answer(ask: RawMessage | undefined, payload: Uint8Array): void {
    assert.ok(ask);
    client.sendRaw(wire.encodeMessage({ id: ask.header.id, command: ask.header.command, type: 'reply' }, payload));
  }

  function refuse(ask: RawMessage | undefined): void {
    assert.ok(ask);
    const errno = errnoNumber('EFAULT');
    client.sendRaw(wire.encodeMessage({ id: ask.header.id, command: ask.header.command, type: 'reply', errno }));
  }

  it('accesses memory with a descriptor directly, at its offset and across two maps', () => {
    const ram = memory(0x10000n);
    assert.equal(map(0x8000_0000n, 2n * PAGE, READ | WRITE, ram.fd, 0x3000n), 'ok');
    assert.equal(map(0x8000_2000n, PAGE, READ | WRITE, ram.fd, 0x8000n), 'ok');
    ram.bytes.set([1, 2], 0x4ffe);
    ram.bytes.set([3, 4], 0x8000);
    setUp(0x8000_1ffen, 0x8000_0010n, 4);
    start();
    assert.equal(status(), DMA.DONE);
    assert.deepEqual([...ram.bytes.subarray(0x3010, 0x3014)], [1, 2, 3, 4]);
    ram.close();
  });

  it('does not access memory after an unmap; an unmap may cover several maps or none', () => {
    const ram = memory(4n * PAGE);
    for (let page = 0n; page < 4n; page += 1n) {
      assert.equal(map(page * PAGE, PAGE, READ | WRITE, ram.fd, page * PAGE), 'ok');
    }
    assert.equal(map(PAGE, PAGE, READ, ram.fd), 'EEXIST');
    assert.equal(map(0x1800n, PAGE, READ, ram.fd), 'EEXIST');
    unmap(PAGE, 2n * PAGE);
    unmap(0x10_0000n, 0x1000_0000n);
    setUp(0n, 3n * PAGE, 8);
    start();
    assert.equal(status(), DMA.DONE);
    setUp(0n, PAGE, 8);
    start();
    assert.equal(status(), DMA.REFUSED);
    unmap(0n, 0xffff_ffff_ffff_f000n);
    assert.equal(map(0n, 4n * PAGE, READ | WRITE, ram.fd), 'ok');
    ram.close();
  });

  it('rejects an unmap of a part of a map, and keeps the map', () => {
    const ram = memory(3n * PAGE);
    assert.equal(map(0n, 2n * PAGE, READ | WRITE, ram.fd), 'ok');
    assert.equal(map(2n * PAGE, PAGE, READ | WRITE, ram.fd, 2n * PAGE), 'ok');
    for (const [iova, size] of [
      [0n, PAGE],
      [PAGE, PAGE],
      [PAGE, 2n * PAGE],
      [0x800n, 0x100n],
      [1n, (1n << 64n) - 1n],
    ] as const) {
      assert.equal(unmapAnswer({ flags: 0, iova, size }), 'EINVAL', `${iova} ${size}`);
    }
    setUp(0n, 2n * PAGE, 8);
    start();
    assert.equal(status(), DMA.DONE);
    assert.equal(unmapAnswer({ flags: 0, iova: 0n, size: 3n * PAGE }), 'ok');
    ram.close();
  });

  it('unmaps everything by FLAG_ALL with an address and a size of 0', () => {
    const ram = memory(PAGE);
    const all = VFIO_DMA_UNMAP_FLAG_ALL;
    for (const iova of [0n, 0x8000_0000n, (1n << 64n) - PAGE]) {
      assert.equal(map(iova, PAGE, READ | WRITE, ram.fd), 'ok');
    }
    assert.equal(unmapAnswer({ flags: all, iova: 0n, size: PAGE }), 'EINVAL');
    assert.equal(unmapAnswer({ flags: all, iova: PAGE, size: 0n }), 'EINVAL');
    assert.equal(unmapAnswer({ flags: all | 4, iova: 0n, size: 0n }), 'EINVAL');
    assert.equal(unmapAnswer({ flags: all, iova: 0n, size: 0n }), 'ok');
    for (const iova of [0n, 0x8000_0000n, (1n << 64n) - PAGE]) {
      assert.equal(map(iova, PAGE, READ | WRITE, ram.fd), 'ok', 'nothing is mapped there any more');
    }
    assert.equal(unmapAnswer({ flags: all, iova: 0n, size: 0n }), 'ok');
    ram.close();
  });

  it('unmaps with a dirty bitmap that has every writable page', () => {
    const ram = memory(4n * PAGE);
    const flags = VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP;
    const whole = { flags, iova: PAGE, size: 5n * PAGE };
    assert.equal(map(PAGE, 2n * PAGE, READ | WRITE, ram.fd), 'ok');
    assert.equal(map(3n * PAGE, PAGE, READ, ram.fd), 'ok');
    assert.equal(map(5n * PAGE, PAGE, WRITE, ram.fd), 'ok');
    for (const bitmap of [
      { pageSize: 0n, size: 8n },
      { pageSize: 2048n, size: 8n },
      { pageSize: 3n * PAGE, size: 8n },
      { pageSize: PAGE, size: 0n },
      { pageSize: 4n * PAGE, size: 8n },
    ]) {
      assert.equal(unmapAnswer({ ...whole, bitmap }), 'EINVAL', `${bitmap.pageSize} ${bitmap.size}`);
    }
    const unmap = { ...whole, bitmap: { pageSize: PAGE, size: 8n } };
    const reply = client.expect(wire.VFIO_USER_DMA_UNMAP, wire.encodeDmaUnmap(unmap));
    assert.deepEqual([...reply.payload], [...wire.encodeDmaUnmap(unmap, Uint8Array.of(0b10011, 0, 0, 0, 0, 0, 0, 0))]);
    assert.equal(map(PAGE, 4n * PAGE, READ, ram.fd), 'ok', 'nothing is mapped there any more');
    ram.close();
  });

  it('refuses DMA to addresses that were never mapped, without a message', () => {
    client.mapMessages(PAGE, PAGE);
    for (const [source, length] of [
      [0n, 4],
      [2n * PAGE, 4],
      [PAGE - 2n, 4],
      [2n * PAGE - 2n, 4],
      [(1n << 64n) - 4n, 4],
      [(1n << 64n) - 2n, 4],
    ] as const) {
      setUp(source, PAGE, length);
      start();
      assert.equal(status(), DMA.REFUSED, `${source}`);
      setUp(PAGE, source, length);
      client.write32(2, REG.DMA_CONTROL, DMA.START);
      const ask = client.receive();
      assert.equal(ask?.header.command, wire.VFIO_USER_DMA_READ, 'the source is mapped');
      answer(ask, wire.encodeDmaAccess({ iova: PAGE, count: length }, new Uint8Array(length)));
      assert.equal(status(), DMA.REFUSED, `${source}`);
    }
  });

  it('respects the permissions of a map, and changes nothing if a part of an access is refused', () => {
    const ram = memory(2n * PAGE);
    assert.equal(map(0n, PAGE, READ, ram.fd), 'ok');
    assert.equal(map(PAGE, PAGE, WRITE, ram.fd, PAGE), 'ok');
    ram.bytes.fill(0x11, 0, 0x1000);
    for (const [source, target, answerOf] of [
      [0n, PAGE, DMA.DONE],
      [PAGE, PAGE, DMA.REFUSED],
      [0n, 0n, DMA.REFUSED],
      [PAGE - 2n, PAGE, DMA.REFUSED],
      [0n, PAGE - 2n, DMA.REFUSED],
    ] as const) {
      setUp(source, target, 4);
      start();
      assert.equal(status(), answerOf, `${source} to ${target}`);
      const written = answerOf === DMA.DONE ? 0x11 : 0;
      assert.deepEqual([...ram.bytes.subarray(0x1000, 0x1004)], Array(4).fill(written));
      ram.bytes.fill(0, 0x1000);
    }
    ram.close();
  });

  it('maps a read-only descriptor read-only, and rejects a file that is too short', () => {
    const ram = memory(PAGE);
    assert.equal(map(0n, 2n * PAGE, READ, ram.fd), 'EINVAL');
    assert.equal(map(0n, PAGE, READ | 0x80, ram.fd), 'EINVAL');
    assert.equal(map(0n, PAGE, READ, ram.fd), 'ok');
    ram.close();
  });

  it('uses messages if the descriptor cannot be mapped', () => {
    const [socket, other] = addon.socketPair();
    assert.equal(map(0n, PAGE, READ | WRITE, socket), 'ok');
    addon.closeFdSync(socket);
    addon.closeFdSync(other);
    setUp(0n, 0n, 4);
    client.write32(2, REG.DMA_CONTROL, DMA.START | DMA.TARGET_IS_BAR0);
    const ask = client.receive();
    assert.equal(ask?.header.command, wire.VFIO_USER_DMA_READ);
    answer(ask, wire.encodeDmaAccess({ iova: 0n, count: 4 }, Uint8Array.of(4, 3, 2, 1)));
    assert.deepEqual([...client.read(0, 0, 4)], [4, 3, 2, 1]);
  });

  it('splits messages by the client’s max_data_xfer_size', () => {
    client.write(
      0,
      0,
      Uint8Array.from({ length: 0x2800 }, (_, i) => i % 251),
    );
    client.mapMessages(0x7000n, 0x3000n);
    setUp(0n, 0x7000n, 0x2800);
    start(DMA.SOURCE_IS_BAR0);
    const sizes: number[] = [];
    for (let at = 0; at < 0x2800;) {
      const ask = client.receive();
      const { iova, count, data } = wire.decodeDmaData(ask?.payload ?? new Uint8Array());
      assert.equal(iova, 0x7000n + BigInt(at));
      assert.deepEqual([data[0], data.at(-1)], [at % 251, (at + count - 1) % 251]);
      sizes.push(count);
      at += count;
      answer(ask, wire.encodeDmaAccess({ iova, count }));
    }
    assert.deepEqual(sizes, [0x1000, 0x1000, 0x800]);
    assert.equal(status(), DMA.DONE);
  });

  it('treats a wrong, short or error reply as a fault', () => {
    const lies: Uint8Array[] = [
      new Uint8Array(0),
      wire.encodeDmaAccess({ iova: 0n, count: 3 }, new Uint8Array(3)),
      wire.encodeDmaAccess({ iova: 0n, count: 4 }, new Uint8Array(3)),
      wire.encodeDmaAccess({ iova: 0n, count: 5 }, new Uint8Array(5)),
    ];
    client.mapMessages(0n, PAGE);
    setUp(0n, 0n, 4);
    for (const lie of lies) {
      start(DMA.TARGET_IS_BAR0);
      answer(client.receive(), lie);
      assert.equal(status(), DMA.REFUSED);
    }
    start(DMA.TARGET_IS_BAR0);
    refuse(client.receive());
    assert.equal(status(), DMA.REFUSED);
  });

  it('replies to the write that starts a transfer before its DMA_READ, and serves other commands meanwhile', () => {
    client.mapMessages(0x1000n, PAGE);
    setUp(0x1000n, 0n, 4);
    const control = { regionIndex: 2, regionOffset: REG.DMA_CONTROL, count: 4 };
    const flags = DMA.START | DMA.AT_ONCE | DMA.TARGET_IS_BAR0;
    const id = client.send(wire.VFIO_USER_REGION_WRITE, wire.encodeRegionAccess(control, bytes32(flags)));
    const reply = client.receive();
    assert.deepEqual([reply?.header.type, reply?.header.id, reply?.header.errno], ['reply', id, undefined]);
    const ask = client.receive();
    assert.equal(ask?.header.command, wire.VFIO_USER_DMA_READ);
    assert.equal(status(), DMA.BUSY);
    client.write32(2, REG.SCRATCH, 77);
    assert.equal(client.read32(2, REG.SCRATCH), 77);
    answer(ask, wire.encodeDmaAccess({ iova: 0x1000n, count: 4 }, Uint8Array.of(1, 2, 3, 4)));
    assert.equal(status(), DMA.DONE);
    assert.deepEqual([...client.read(0, 0, 4)], [1, 2, 3, 4]);
  });

  it('drops a reply to no request, and hangs up on a reply to another command', () => {
    client.sendRaw(wire.encodeMessage({ id: 9, command: wire.VFIO_USER_DMA_READ, type: 'reply' }));
    assert.equal(client.read32(2, REG.DMA_STATUS), DMA.IDLE);
    client.mapMessages(0n, PAGE);
    setUp(0n, 0n, 4);
    start(DMA.TARGET_IS_BAR0);
    const ask = client.receive();
    const header = { id: ask?.header.id ?? 0, command: wire.VFIO_USER_DMA_WRITE, type: 'reply' } as const;
    client.sendRaw(wire.encodeMessage(header));
    assert.equal(client.receive(), undefined);
  });

  it('is refused while bus mastering is off, without a message', () => {
    client.mapMessages(0n, PAGE);
    client.command(3);
    setUp(0n, 0n, 4);
    start(DMA.TARGET_IS_BAR0);
    assert.equal(status(), DMA.REFUSED);
  });

  it('faults after five seconds without a reply, and ignores a late reply', async () => {
    client.mapMessages(0n, PAGE);
    setUp(0n, 0n, 4);
    start(DMA.TARGET_IS_BAR0);
    const ask = client.receive();
    const begin = performance.now();
    while (status() === DMA.BUSY) {
      assert.ok(performance.now() - begin < 15_000);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.equal(status(), DMA.REFUSED);
    assert.ok(performance.now() - begin > 4500);
    answer(ask, wire.encodeDmaAccess({ iova: 0n, count: 4 }, new Uint8Array(4)));
    assert.equal(status(), DMA.REFUSED);
  });
});
