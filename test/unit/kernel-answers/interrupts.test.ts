import assert from 'node:assert/strict';

import type { Fd, IrqSet } from '../../../lib/kernel/kernel.js';
import { addon } from '../../../lib/native/addon.js';
import * as vfio from '../../../lib/uapi/vfio.js';
import { EDU_REG } from '../../../lib/models/edu/registers.js';
import type { Scenario } from './scenario.js';
import { answerOf, hex, row, table, zero } from './table.js';
import { MANY_VECTORS, twoDevices } from './worlds.js';

const NONE = vfio.VFIO_IRQ_SET_DATA_NONE;
const BOOL = vfio.VFIO_IRQ_SET_DATA_BOOL;
const EVENTFD = vfio.VFIO_IRQ_SET_DATA_EVENTFD;
const MASK = vfio.VFIO_IRQ_SET_ACTION_MASK;
const UNMASK = vfio.VFIO_IRQ_SET_ACTION_UNMASK;
const TRIGGER = vfio.VFIO_IRQ_SET_ACTION_TRIGGER;

function irqInfo(s: Scenario, index: number, argsz?: number): string {
  const { flags, count } = s.kernel.getIrqInfo(s.device, index, argsz);
  return `0, flags ${hex(flags)} count ${count}`;
}

/** Performs SET_IRQS of one MSI vector with an eventfd. @param change replaces arguments */
function set(s: Scenario, change: Partial<IrqSet>): Promise<string> {
  const eventfds = change.bools === undefined && change.argsz !== 20 ? [s.eventfd()] : [];
  const wanted = { flags: EVENTFD | TRIGGER, index: 1, start: 0, count: 1, eventfds, ...change };
  return zero(s.kernel.setIrqs(s.device, wanted));
}

/** Does the same on a device that was just opened. */
async function setIrqs(s: Scenario, change: Partial<IrqSet>): Promise<string> {
  await s.deviceOpen();
  return set(s, change);
}

/** Sets an eventfd for each of several MSI-X vectors. */
function vectors(s: Scenario, start: number, count: number): Promise<string> {
  return set(s, { index: 2, start, count, eventfds: Array.from({ length: count }, () => s.eventfd()) });
}

/** Opens the device, enables bus mastering and an interrupt. @returns the interrupt's eventfd */
async function turnOn(s: Scenario, index: number): Promise<Fd> {
  await s.deviceOpen();
  await s.write(7, 4, Uint8Array.of(7, 1));
  await acknowledge(s, 0xffffffff);
  const fd = s.eventfd();
  await set(s, { index, eventfds: [fd] });
  return fd;
}

const msiOn = (s: Scenario): Promise<Fd> => turnOn(s, 1);
const intxOn = (s: Scenario): Promise<Fd> => turnOn(s, 0);

/** Makes edu raise an interrupt. The device sends the interrupt before it answers the read. */
async function raise(s: Scenario, value: number): Promise<void> {
  await s.write(0, EDU_REG.IRQ_RAISE, value);
  await s.register(0, EDU_REG.IRQ_STATUS);
}

async function acknowledge(s: Scenario, value: number): Promise<void> {
  await s.write(0, EDU_REG.IRQ_ACK, value);
}

function countOf(fd: Fd): string {
  return `eventfd count ${addon.eventfdRead(fd)}`;
}

table('Interrupts (edu: INTx + 1 MSI; nvme: MSI-X 65; e1000e: MSI-X 5)', twoDevices, [
  row('GET_IRQ_INFO argsz=8', 'index 0', '-1 EINVAL', async (s) => {
    await s.deviceOpen();
    return irqInfo(s, 0, 8);
  }),
  row('GET_IRQ_INFO MSI', 'edu', '0, flags 0x9 (EVENTFD=1 MASKABLE=2 AUTOMASKED=4 NORESIZE=8) count 1', async (s) =>
    irqInfo(await s.deviceOpen(), 1),
  ),
  row(
    'GET_IRQ_INFO ERR',
    'edu',
    '-1 EINVAL, flags 0 (EVENTFD=1 MASKABLE=2 AUTOMASKED=4 NORESIZE=8) count 0',
    async (s) => `${await answerOf(async () => irqInfo(await s.deviceOpen(), 3))}, flags 0 count 0`,
  ),
  row('GET_IRQ_INFO REQ', 'edu', '0, flags 0x9 (EVENTFD=1 MASKABLE=2 AUTOMASKED=4 NORESIZE=8) count 1', async (s) =>
    irqInfo(await s.deviceOpen(), 4),
  ),
  row(
    'GET_IRQ_INFO (5)',
    'edu',
    '-1 EINVAL, flags 0 (EVENTFD=1 MASKABLE=2 AUTOMASKED=4 NORESIZE=8) count 0',
    async (s) => `${await answerOf(async () => irqInfo(await s.deviceOpen(), 5))}, flags 0 count 0`,
  ),
  row('SET_IRQS argsz=8', '-', '-1 EINVAL', (s) => setIrqs(s, { argsz: 8 })),
  row('SET_IRQS flags=0', 'MSI', '-1 EINVAL', (s) => setIrqs(s, { flags: 0 })),
  row('SET_IRQS two data types (EVENTFD+NONE)', 'MSI', '-1 EINVAL', (s) =>
    setIrqs(s, { flags: EVENTFD | NONE | TRIGGER }),
  ),
  row('SET_IRQS unknown flag 0x100', 'MSI', '-1 EINVAL', (s) => setIrqs(s, { flags: EVENTFD | TRIGGER | 0x100 })),
  row('SET_IRQS index 5', '-', '-1 EINVAL', (s) => setIrqs(s, { index: 5 })),
  row('SET_IRQS index 99', '-', '-1 EINVAL', (s) => setIrqs(s, { index: 99 })),
  row('SET_IRQS MSI start=1 count=1', 'MSI count is 1', '-1 EINVAL', (s) => setIrqs(s, { start: 1 })),
  row('SET_IRQS MSI count=2^32-1 start=1', '-', '-1 EINVAL', (s) => setIrqs(s, { start: 1, count: 0xffffffff })),
  row('SET_IRQS MSI count=1 without data (argsz=20)', '-', '-1 EINVAL', (s) => setIrqs(s, { argsz: 20 })),
  row('SET_IRQS MSIX', 'device has no MSI-X (count 0)', '-1 EINVAL', (s) => setIrqs(s, { index: 2 })),
  row('SET_IRQS EVENTFD count=0', 'MSI off', '-1 ERANGE', (s) => setIrqs(s, { count: 0, eventfds: [] })),
  row('SET_IRQS NONE TRIGGER count=0 (disable)', 'MSI off', '-1 EINVAL', (s) =>
    setIrqs(s, { flags: NONE | TRIGGER, count: 0 }),
  ),
  row('SET_IRQS MSI eventfd = 9999', 'not an open fd', '-1 EBADF', (s) => setIrqs(s, { eventfds: [9999] })),
  row('SET_IRQS NONE TRIGGER count=0 (disable)', 'after -1', '0', async (s) => {
    await setIrqs(s, { eventfds: [-1] });
    return set(s, { flags: NONE | TRIGGER, count: 0 });
  }),
  row('SET_IRQS MSI eventfd', 'MSI off', '0', async (s) => {
    await s.deviceOpen();
    return set(s, { eventfds: [s.eventfd()] });
  }),
  row('SET_IRQS MSI other eventfd', 'MSI on: replaces it', '0', async (s) => {
    await msiOn(s);
    return set(s, { eventfds: [s.eventfd()] });
  }),
  row('SET_IRQS NONE TRIGGER count=1 (loopback)', 'MSI on', '0, old eventfd 0 new eventfd 1', async (s) => {
    const old = await msiOn(s);
    const fresh = s.eventfd();
    await set(s, { eventfds: [fresh] });
    const answer = await set(s, { flags: NONE | TRIGGER });
    return `${answer}, old eventfd ${addon.eventfdRead(old)} new eventfd ${addon.eventfdRead(fresh)}`;
  }),
  row('SET_IRQS BOOL TRIGGER {1}', 'MSI on', '0, eventfd count 1', async (s) => {
    const fd = await msiOn(s);
    const answer = await set(s, { flags: BOOL | TRIGGER, bools: Uint8Array.of(1) });
    return `${answer}, ${countOf(fd)}`;
  }),
  row('SET_IRQS MSI MASK', 'MSI on', '-1 ENOTTY', async (s) => {
    await msiOn(s);
    return set(s, { flags: NONE | MASK });
  }),
  row('SET_IRQS INTX eventfd', 'MSI on', '-1 EINVAL', async (s) => {
    await msiOn(s);
    return set(s, { index: 0, eventfds: [s.eventfd()] });
  }),
  row('edu raises its MSI', 'bus master on', 'eventfd count 1', async (s) => {
    const fd = await msiOn(s);
    await raise(s, 1);
    return countOf(fd);
  }),
  row('edu raises its MSI 3 times before a read', 'bus master on', 'eventfd count 3', async (s) => {
    const fd = await msiOn(s);
    for (let i = 0; i < 3; i += 1) await raise(s, 1);
    return countOf(fd);
  }),
  row('edu raises its MSI', 'eventfd -1', 'eventfd count 0', async (s) => {
    const fd = await msiOn(s);
    await set(s, { eventfds: [-1] });
    await raise(s, 1);
    return countOf(fd);
  }),
  row('SET_IRQS NONE TRIGGER count=0 (disable)', 'MSI on', '0', async (s) => {
    await msiOn(s);
    return set(s, { flags: NONE | TRIGGER, count: 0 });
  }),
  row('SET_IRQS INTX MASK', 'INTx off', '-1 EINVAL', (s) => setIrqs(s, { index: 0, flags: NONE | MASK })),
  row('SET_IRQS INTX UNMASK', 'INTx off', '-1 EINVAL', (s) => setIrqs(s, { index: 0, flags: NONE | UNMASK })),
  row('edu raises INTx', 'INTx on', 'eventfd count 1', async (s) => {
    const fd = await intxOn(s);
    await raise(s, 1);
    return countOf(fd);
  }),
  row('still asserted, wait for another', 'automasked', 'eventfd count 0', async (s) => {
    const fd = await intxOn(s);
    await raise(s, 1);
    addon.eventfdRead(fd);
    await raise(s, 2);
    return countOf(fd);
  }),
  row('SET_IRQS INTX UNMASK NONE', 'device not acked: fires again', '0', async (s) => {
    await intxOn(s);
    await raise(s, 1);
    return set(s, { index: 0, flags: NONE | UNMASK });
  }),
  row('eventfd', 'after UNMASK while asserted', 'eventfd count 1', async (s) => {
    const fd = await intxOn(s);
    await raise(s, 1);
    addon.eventfdRead(fd);
    await set(s, { index: 0, flags: NONE | UNMASK });
    return countOf(fd);
  }),
  row('SET_IRQS INTX UNMASK NONE', 'device acked', '0', async (s) => {
    await intxOn(s);
    await raise(s, 1);
    await acknowledge(s, 1);
    return set(s, { index: 0, flags: NONE | UNMASK });
  }),
  row('eventfd', 'after ack and UNMASK', 'eventfd count 0', async (s) => {
    const fd = await intxOn(s);
    await raise(s, 1);
    addon.eventfdRead(fd);
    await acknowledge(s, 1);
    await set(s, { index: 0, flags: NONE | UNMASK });
    return countOf(fd);
  }),
  row('SET_IRQS INTX UNMASK EVENTFD (irqfd unmask)', 'INTx on', '0', async (s) => {
    await intxOn(s);
    return set(s, { index: 0, flags: EVENTFD | UNMASK, eventfds: [s.eventfd()] });
  }),
  row('SET_IRQS INTX MASK BOOL {1}', 'INTx on', '0', async (s) => {
    await intxOn(s);
    return set(s, { index: 0, flags: BOOL | MASK, bools: Uint8Array.of(1) });
  }),
  row('SET_IRQS INTX eventfd = -1', 'INTx on', '0', async (s) => {
    await intxOn(s);
    return set(s, { index: 0, eventfds: [-1] });
  }),
  row('SET_IRQS INTX NONE TRIGGER count=0 (disable)', 'INTx on', '0', async (s) => {
    await intxOn(s);
    return set(s, { index: 0, flags: NONE | TRIGGER, count: 0 });
  }),
  row('SET_IRQS REQ NONE TRIGGER (loopback)', 'edu', '0, eventfd count 1', async (s) => {
    await s.deviceOpen();
    const fd = s.eventfd();
    await set(s, { index: 4, eventfds: [fd] });
    return `${await set(s, { index: 4, flags: NONE | TRIGGER })}, ${countOf(fd)}`;
  }),
  row('GET_IRQ_INFO MSIX', 'nvme', '0, flags 0x1 count 65', async (s) =>
    irqInfo(await s.about(MANY_VECTORS.group, MANY_VECTORS.device).deviceOpen(), 2),
  ),
  row('GET_IRQ_INFO ERR', 'nvme (PCIe)', '0, flags 0x9 count 1', async (s) =>
    irqInfo(await s.about(MANY_VECTORS.group, MANY_VECTORS.device).deviceOpen(), 3),
  ),
  row('SET_IRQS MSIX start=0 count=2 (first two vectors)', 'nvme, off', '0', async (s) => {
    await s.about(MANY_VECTORS.group, MANY_VECTORS.device).deviceOpen();
    return vectors(s, 0, 2);
  }),
  row('SET_IRQS MSIX start=2 count=1', 'nvme, 2 vectors on (dynamic)', '0', async (s) => {
    await s.about(MANY_VECTORS.group, MANY_VECTORS.device).deviceOpen();
    await vectors(s, 0, 2);
    return vectors(s, 2, 1);
  }),
  row('SET_IRQS MSIX start=10 count=1', 'nvme, gap (3..9 unset)', '0', async (s) => {
    await s.about(MANY_VECTORS.group, MANY_VECTORS.device).deviceOpen();
    await vectors(s, 0, 3);
    return vectors(s, 10, 1);
  }),
  row('SET_IRQS MSIX start=64 count=2', 'past the count', '-1 EINVAL', async (s) => {
    await s.about(MANY_VECTORS.group, MANY_VECTORS.device).deviceOpen();
    return vectors(s, 64, 2);
  }),
  row('SET_IRQS MSIX NONE TRIGGER start=1', 'loopback', '0, eventfd[1] count 1', async (s) => {
    await s.about(MANY_VECTORS.group, MANY_VECTORS.device).deviceOpen();
    const fds = [s.eventfd(), s.eventfd()];
    await set(s, { index: 2, count: 2, eventfds: fds });
    return `${await set(s, { index: 2, start: 1, flags: NONE | TRIGGER })}, eventfd[1] count ${addon.eventfdRead(fds[1] ?? -1)}`;
  }),
  row('SET_IRQS MSIX count=0 NONE (disable)', 'on', '0', async (s) => {
    await s.about(MANY_VECTORS.group, MANY_VECTORS.device).deviceOpen();
    await vectors(s, 0, 2);
    return set(s, { index: 2, flags: NONE | TRIGGER, count: 0 });
  }),
  row('SET_IRQS MSIX count=0 NONE (disable)', 'on', '0', async (s) => {
    await s.about(MANY_VECTORS.group, MANY_VECTORS.device).deviceOpen();
    await vectors(s, 0, 65);
    return set(s, { index: 2, flags: NONE | TRIGGER, count: 0 });
  }),
  row('loopback of vector 0', 'after the partial failure', '0, eventfd[0] count 0', async (s) => {
    await s.about(MANY_VECTORS.group, MANY_VECTORS.device).deviceOpen();
    await vectors(s, 5, 1);
    const fd = s.eventfd();
    assert.equal(await answerOf(() => set(s, { index: 2, count: 2, eventfds: [fd, 9999] })), '-1 EBADF');
    return `${await set(s, { index: 2, flags: NONE | TRIGGER })}, eventfd[0] count ${addon.eventfdRead(fd)}`;
  }),
]);
