import assert from 'node:assert/strict';

import { SoftwareMachine } from '../../../lib/software/machine/software-machine.js';
import type { MachineOptions } from '../../../lib/software/machine/machine-options.js';
import { VFIO_TYPE1v2_IOMMU } from '../../../lib/uapi/vfio.js';
import { outcome, PlainHost, RecordingDomain } from './fixture.js';

const A = 'f001:00:04.0';
const B = 'f001:00:05.0';

describe('software core: groups and devices', () => {
  let machine: SoftwareMachine;
  let domains: RecordingDomain[];
  let host: PlainHost;
  let onAttach: () => Promise<void>;

  const build = async (options: MachineOptions = {}): Promise<void> => {
    domains = [];
    onAttach = (): Promise<void> => Promise.resolve();
    host = new PlainHost();
    const createDomain = (): RecordingDomain => {
      const domain = new RecordingDomain();
      domain.onAttach = (): Promise<void> => onAttach();
      domains.push(domain);
      return domain;
    };
    machine = new SoftwareMachine({ createDomain, probeMemory: () => true, ...options });
    await machine.addDevice({ name: A, group: 26, start: () => Promise.resolve(host) });
  };

  beforeEach(() => build());
  afterEach(() => machine.close());

  it('opens a device, and releases everything in any order of closing', async () => {
    for (const order of ['cgd', 'cdg', 'gcd', 'gdc', 'dcg', 'dgc']) {
      const process = machine.process();
      const container = await process.openContainer();
      const group = await process.openGroup('26');
      await process.setContainer(group, container);
      await process.setIommu(container, VFIO_TYPE1v2_IOMMU);
      const device = await process.getDeviceFd(group, A);
      const fds = new Map([
        ['c', container],
        ['g', group],
        ['d', device],
      ]);
      for (const which of order) await process.close(fds.get(which) ?? -1);
      assert.equal(machine.containerCount, 0, order);
      assert.equal(domains.at(-1)?.closed, true, order);
      assert.equal(await outcome(() => process.openGroup('26')), '0', order);
      await process.exit();
    }
  });

  it('makes an unbind wait until the user has closed the device, and rejects new users meanwhile', async () => {
    const process = machine.process();
    const container = await process.openContainer();
    const group = await process.openGroup('26');
    await process.setContainer(group, container);
    await process.setIommu(container, VFIO_TYPE1v2_IOMMU);
    const device = await process.getDeviceFd(group, A);
    let returned = false;
    const unbinding = machine.unbindDriver(A).then(() => (returned = true));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(await outcome(() => process.getDeviceFd(group, A)), '-1 ENODEV');
    assert.equal(returned, false);
    await process.close(device);
    await unbinding;
    // No device of the group has a VFIO driver any more: the group is revoked for the process that has it open.
    assert.equal(await outcome(() => process.getGroupStatus(group)), '-1 ENODEV');
    assert.equal(await outcome(() => process.setContainer(group, container)), '-1 ENODEV');
    assert.equal(await outcome(() => process.openGroup('26')), '-1 ENOENT');
    assert.equal(domains[0]?.closed, true);
    await process.exit();
    assert.equal(machine.containerCount, 0);
  });

  it('delays the unregistration of a device while its group is being attached', async () => {
    await machine.addDevice({ name: B, group: 26, start: () => Promise.resolve(new PlainHost()) });
    const process = machine.process();
    const container = await process.openContainer();
    const group = await process.openGroup('26');
    await process.setContainer(group, container);
    const events: string[] = [];
    let unbinding = Promise.resolve();
    onAttach = async (): Promise<void> => {
      events.push('attach begins');
      if (events.length === 1) unbinding = machine.unbindDriver(B).then(() => void events.push('unbound'));
      await new Promise((resolve) => setTimeout(resolve, 5));
      events.push('attach ends');
    };
    await process.setIommu(container, VFIO_TYPE1v2_IOMMU);
    await unbinding;
    assert.deepEqual(events, ['attach begins', 'attach ends', 'attach begins', 'attach ends', 'unbound']);
  });

  it('holds the virtual machine from the first open of a device to the last close', async () => {
    let references = 0;
    const kvm = { tryGet: () => (references += 1) > 0, put: () => void (references -= 1) };
    const process = machine.process();
    const container = await process.openContainer();
    const group = await process.openGroup('26');
    await process.setContainer(group, container);
    await process.setIommu(container, VFIO_TYPE1v2_IOMMU);
    process.setKvm(group, kvm);
    assert.equal(references, 0);
    const first = await process.getDeviceFd(group, A);
    const second = await process.getDeviceFd(group, A);
    assert.equal(references, 1);
    await process.close(first);
    assert.equal(references, 1);
    await process.close(second);
    assert.equal(references, 0);
    await process.exit();
  });

  it('undoes the first open of a device if its driver fails', async () => {
    const failing = 'f001:00:06.0';
    await machine.addDevice({ name: failing, group: 27, start: () => Promise.reject(new Error('no such model')) });
    let references = 0;
    const process = machine.process();
    const container = await process.openContainer();
    const group = await process.openGroup('27');
    process.setKvm(group, { tryGet: () => (references += 1) > 0, put: () => void (references -= 1) });
    await process.setContainer(group, container);
    await process.setIommu(container, VFIO_TYPE1v2_IOMMU);
    await assert.rejects(process.getDeviceFd(group, failing), /no such model/);
    assert.equal(references, 0);
    assert.equal(await outcome(() => process.unsetContainer(group)), '0');
    await process.exit();
    await machine.unbindDriver(failing);
  });

  it('shares a domain between groups of equal coherency, and makes a new one for other groups', async () => {
    await machine.addDevice({ name: B, group: 27, start: () => Promise.resolve(new PlainHost()) });
    await machine.addDevice({ name: 'f001:00:06.0', group: 28, enforcesCoherency: true, driver: 'vfio-pci' });
    const process = machine.process();
    const container = await process.openContainer();
    const groups = [await process.openGroup('26'), await process.openGroup('27'), await process.openGroup('28')];
    await process.setContainer(groups[0] ?? -1, container);
    await process.setIommu(container, VFIO_TYPE1v2_IOMMU);
    await process.mapDma(container, { flags: 3, iova: 0x1000n, vaddr: 0x10000n, size: 0x1000n });
    for (const group of groups.slice(1)) await process.setContainer(group, container);
    const open = domains.filter((domain) => !domain.closed);
    assert.equal(open.length, 2);
    assert.deepEqual(
      open.map((domain) => [...domain.mapped.keys()]),
      [[0x1000n], [0x1000n]],
    );
    assert.equal(process.checkExtension(container, 4), 0);
    assert.equal(process.fileEnforcedCoherent(groups[2] ?? -1), true);
    assert.equal(process.fileEnforcedCoherent(groups[0] ?? -1), false);
    await process.exit();
    assert.equal(domains.filter((domain) => !domain.closed).length, 0);
  });

  it('rejects a group without isolated interrupts unless the machine allows unsafe interrupts', async () => {
    for (const [options, answer] of [
      [{ interruptRemapping: false }, '-1 EPERM'],
      [{ interruptRemapping: false, allowUnsafeInterrupts: true }, '0'],
    ] as const) {
      await machine.close();
      await build(options);
      const process = machine.process();
      const container = await process.openContainer();
      const group = await process.openGroup('26');
      await process.setContainer(group, container);
      assert.equal(await outcome(() => process.setIommu(container, VFIO_TYPE1v2_IOMMU)), answer);
    }
  });

  it('lets one of several concurrent opens of a group succeed', async () => {
    const process = machine.process();
    const answers = await Promise.all([1, 2, 3].map(() => outcome(() => process.openGroup('26'))));
    assert.deepEqual(answers.toSorted(), ['-1 EBUSY', '-1 EBUSY', '0']);
  });
});
