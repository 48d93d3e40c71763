import assert from 'node:assert/strict';
import { addon } from '../../../../lib/native/addon.js';
import { EDU_IDENT } from '../../../../lib/models/edu/registers.js';
import { BDF } from '../../devices.js';
import { RealDevice } from '../../support/real-device.js';
import { groupName } from '../../support/sysfs.js';

const MIB = 1 << 20;

describe('a mapped BAR that goes away', () => {
  const edu = new RealDevice(BDF.edu);
  before(() => edu.openDevice());
  after(() => edu.close());

  it('reads all ones with memory decoding off, and the device again after a restore', async () => {
    const mapping = await edu.kernel.mmap(edu.device, edu.offset(0), MIB, { read: true, write: true });
    const registers = new Uint32Array(addon.mappingView(mapping));
    const epoch = new Uint32Array(addon.mappingState(mapping), 0, 1);
    assert.equal(Atomics.load(registers, 0), EDU_IDENT);
    await edu.setCommand(0);
    assert.equal(Atomics.load(registers, 0), 0xffff_ffff);
    assert.equal(epoch[0], 1);
    await assert.rejects(edu.write32(0, 4, 1), { code: 'EIO', syscall: 'pwrite' });
    await edu.setCommand(2);
    assert.equal(Atomics.load(registers, 0), 0xffff_ffff, 'the device answers, but the mapping is not restored yet');
    await edu.kernel.restoreMapping(edu.device, mapping, edu.offset(0));
    assert.equal(Atomics.load(registers, 0), EDU_IDENT);
    assert.equal(epoch[0], 2);
    addon.mappingRevoke(mapping);
    assert.equal(Atomics.load(registers, 0), 0xffff_ffff);
    addon.mappingClose(mapping);
  });

  it('keeps its group open after every descriptor is closed, until it is revoked', async () => {
    const mapping = await edu.kernel.mmap(edu.device, edu.offset(0), MIB, { read: true, write: true });
    const registers = new Uint32Array(addon.mappingView(mapping));
    await edu.closeFiles();
    assert.equal(Atomics.load(registers, 0), EDU_IDENT);
    await assert.rejects(edu.kernel.openGroup(groupName(BDF.edu)), { code: 'EBUSY' });
    addon.mappingRevoke(mapping);
    await edu.kernel.close(await edu.kernel.openGroup(groupName(BDF.edu)));
    assert.equal(Atomics.load(registers, 0), 0xffff_ffff);
    addon.mappingClose(mapping);
  });
});
