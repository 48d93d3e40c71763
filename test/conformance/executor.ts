import { VfioError } from '../../lib/base/errors.js';
import type { Fd } from '../../lib/kernel/kernel.js';
import { callDevice, isDeviceCall } from './device-calls.js';
import { callDma } from './dma-calls.js';
import { SLOTS } from './generate/arbitraries.js';
import { makeConfigKnown } from './known-config.js';
import type { DeviceName, GroupCall } from './generate/group-calls.js';
import { callIommufd, isIommufdCall } from './iommufd-calls.js';
import type { Call } from './program.js';
import { containerOf, type Outcome, type ProgramRun, SKIPPED } from './program-run.js';
import { ARENA_PAGES, CLOSED_FD, PAGE, type World } from './world.js';

/** Runs a program on one side, call by call. */
export class Executor {
  private readonly run: ProgramRun;

  constructor(private readonly world: World) {
    this.run = {
      world,
      slots: { containers: [], groups: [], groupsOfOther: [], devices: [], iommufds: [] },
      ids: { ioas: [], hwpt: [], device: [] },
      areas: [],
      // Aligned to its size on both sides: an iommufd chooses an IOVA by the alignment of the memory.
      memory: new Uint8Array(
        world.addon.memoryPlace(-1, ARENA_PAGES * PAGE, ARENA_PAGES * PAGE, false, -1, false) as SharedArrayBuffer,
      ),
      eventfd: world.addon.eventfdCreate(),
    };
    for (let index = 0; index < this.run.memory.length; index++) this.run.memory[index] = index >> 12;
  }

  /** The memory that devices can reach. */
  get memory(): Uint8Array<SharedArrayBuffer> {
    return this.run.memory;
  }

  /** Makes one call. An error that is not a VfioError is a bug of the side, and is thrown. */
  async execute(call: Call): Promise<Outcome> {
    try {
      return await this.dispatch(call);
    } catch (error) {
      if (error instanceof VfioError) return { errno: error.code };
      throw error;
    }
  }

  /** Returns how many interrupts came since the last call. All devices share one eventfd. */
  takeInterrupts(): number {
    return this.world.addon.eventfdRead(this.run.eventfd);
  }

  /** Closes the descriptors that the program left open: devices, then groups, containers and iommufds. */
  async finish(): Promise<void> {
    const { devices, groups, containers, iommufds, groupsOfOther } = this.run.slots;
    for (const slots of [devices, groups, containers, iommufds]) {
      for (const fd of slots) if (fd !== undefined) await this.world.kernel.close(fd);
    }
    for (const fd of groupsOfOther) if (fd !== undefined) await this.world.other.close(fd);
    this.world.addon.closeFdSync(this.run.eventfd);
  }

  private dispatch(call: Call): Promise<Outcome> {
    if (isIommufdCall(call)) return callIommufd(this.run, call);
    if (isDeviceCall(call)) return callDevice(this.run, call);
    switch (call.call) {
      case 'mapDma':
      case 'unmapDma':
        return callDma(this.run, call);
      case 'openGroup':
      case 'closeGroup':
        return call.process === 0 ? this.callGroup(call) : this.callOther(call);
      case 'openContainer':
      case 'closeContainer':
      case 'getApiVersion':
      case 'checkExtension':
      case 'setIommu':
      case 'getIommuInfo':
        return this.callContainer(call);
      default:
        return this.callGroup(call);
    }
  }

  private async callContainer(call: Extract<GroupCall, { container: number }>): Promise<Outcome> {
    const { kernel } = this.world;
    const { containers } = this.run.slots;
    const fd = containerOf(this.run, call.container);
    if (call.call === 'openContainer') {
      if (fd !== undefined) return SKIPPED;
      containers[call.container] = await kernel.openContainer();
      return { value: 'fd' };
    }
    if (fd === undefined) return SKIPPED;
    switch (call.call) {
      case 'closeContainer':
        containers[call.container] = undefined;
        await kernel.close(fd);
        return { value: 0 };
      case 'getApiVersion':
        return { value: kernel.getApiVersion(fd) };
      case 'checkExtension':
        return { value: kernel.checkExtension(fd, call.extension) };
      case 'setIommu':
        await kernel.setIommu(fd, call.type);
        return { value: 0 };
      case 'getIommuInfo':
        return { value: kernel.getIommuInfo(fd, call.argsz === 0 ? undefined : call.argsz) };
      default:
        throw new TypeError(`${call.call} is not a container's call`);
    }
  }

  private async callOther(call: Extract<GroupCall, { process: number }>): Promise<Outcome> {
    const { groupsOfOther } = this.run.slots;
    const fd = groupsOfOther[call.group];
    if (call.call === 'openGroup') {
      if (fd !== undefined) return SKIPPED;
      groupsOfOther[call.group] = await this.world.other.openGroup(this.groupName(call.group));
      return { value: 'fd' };
    }
    if (fd === undefined) return SKIPPED;
    groupsOfOther[call.group] = undefined;
    await this.world.other.close(fd);
    return { value: 0 };
  }

  private async callGroup(call: Extract<GroupCall, { group: number }>): Promise<Outcome> {
    const { kernel } = this.world;
    const { groups, devices } = this.run.slots;
    const fd = groups[call.group];
    if (call.call === 'openGroup') {
      // Also for a slot that is in use: the second open of a group must fail with EBUSY and change nothing.
      const opened = await kernel.openGroup(this.groupName(call.group));
      groups[call.group] = opened;
      return { value: 'fd' };
    }
    if (fd === undefined) return SKIPPED;
    switch (call.call) {
      case 'closeGroup':
        groups[call.group] = undefined;
        await kernel.close(fd);
        return { value: 0 };
      case 'getGroupStatus':
        return { value: kernel.getGroupStatus(fd, call.argsz === 0 ? undefined : call.argsz) };
      case 'setContainer': {
        const container = containerOf(this.run, call.container);
        if (container === undefined) return SKIPPED;
        await kernel.setContainer(fd, container);
        return { value: 0 };
      }
      case 'setContainerTo':
        await kernel.setContainer(fd, this.oddTarget(call.target, fd));
        return { value: 0 };
      case 'unsetContainer':
        await kernel.unsetContainer(fd);
        return { value: 0 };
      case 'getDeviceFd': {
        if (devices[call.device] !== undefined) return SKIPPED;
        const device = await kernel.getDeviceFd(fd, this.deviceName(call.group, call.name));
        devices[call.device] = device;
        await makeConfigKnown(kernel, device);
        return { value: 'fd' };
      }
    }
  }

  private oddTarget(target: 'closed' | 'eventfd' | 'group', group: Fd): Fd {
    if (target === 'closed') return CLOSED_FD;
    return target === 'group' ? group : this.run.eventfd;
  }

  private groupName(slot: number): string {
    return this.groupOf(slot).name;
  }

  private groupOf(slot: number): { name: string; device: string } {
    const group = this.world.groups[slot];
    if (group === undefined)
      throw new RangeError(`the set-up has ${this.world.groups.length} of ${SLOTS.groups} groups`);
    return group;
  }

  private deviceName(slot: number, name: DeviceName): string {
    const own = this.groupOf(slot).device;
    if (name === 'own') return own;
    if (name === 'other') return this.groupOf((slot + 1) % SLOTS.groups).device;
    if (name === 'short') return own.slice(own.indexOf(':') + 1);
    return name === 'nope' ? 'nope' : '';
  }
}
