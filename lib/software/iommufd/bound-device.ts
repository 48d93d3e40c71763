import { ErrnoFailure, failWith } from '../base/errno-failure.js';
import type { GroupMember } from '../iommu/iommu-group.js';
import type { BoundGroup } from './bound-group.js';
import { Hwpt, type HwptOptions } from './hwpt.js';
import { Ioas } from './ioas.js';
import { IommufdObject, type ObjectTable } from './objects.js';

/** A device, as VFIO uses it after it has bound it to an iommufd. */
export interface Binding {
  readonly id: number;
  /** Attaches the device to an IOAS or a page table, or moves it there. @returns the id of what it is attached to */
  attach(id: number): Promise<number>;
  /** Detaches the device. Does nothing if it is not attached. */
  detach(): Promise<void>;
  /** Detaches the device and ends the binding. */
  unbind(): Promise<void>;
}

/** The iommufd, as a bound device uses it. `IommufdContext` implements it. */
export interface BindingContext {
  readonly objects: ObjectTable;
  /** Returns the page tables that have the mappings of an IOAS, the oldest first. */
  hwptsOf(ioas: Ioas): Hwpt[];
  /** Makes a page table with the mappings of an IOAS, for a group. It is not in the table of objects yet. */
  makeHwpt(ioas: Ioas, group: BoundGroup, options: HwptOptions): Promise<Hwpt>;
  /** Ends the binding of a device: releases its group and the reference of the device. */
  endBinding(group: BoundGroup): Promise<void>;
}

/** Attaches the device to a page table, or moves it there. @returns the page table that it has left, null for none */
type Change = (hwpt: Hwpt) => Promise<Hwpt | null>;

/** A physical device that is bound to an iommufd. Source: struct iommufd_device */
export class BoundDevice extends IommufdObject implements Binding {
  readonly kind = 'device';
  #attached = false;

  constructor(
    private readonly context: BindingContext,
    readonly member: GroupMember,
    readonly group: BoundGroup,
  ) {
    super();
    // The driver uses it until it unbinds.
    this.users = 1;
  }

  /**
   * @throws ENOENT; EINVAL for the id of a device, for a page table that does not fit, and if the group has another one; EADDRINUSE
   *   Source: iommufd_device_attach, iommufd_device_replace
   */
  async attach(id: number): Promise<number> {
    const target = this.context.objects.get(id);
    const change = this.#attached ? this.#replace : this.#attach;
    return this.context.objects.using([target], async () => {
      const result = await this.#change(target, change);
      if (!this.#attached) this.users += 1;
      this.#attached = true;
      return result;
    });
  }

  async detach(): Promise<void> {
    if (!this.#attached) return;
    this.#attached = false;
    const hwpt = await this.group.detach(this.member);
    await this.#put(hwpt);
    this.users -= 1;
  }

  async unbind(): Promise<void> {
    await this.detach();
    this.users -= 1;
    await this.context.objects.remove(this);
  }

  override async destroy(): Promise<void> {
    await this.context.endBinding(this.group);
  }

  readonly #attach: Change = async (hwpt) => {
    await this.group.attach(this.member, hwpt);
    return null;
  };

  readonly #replace: Change = (hwpt) => this.group.replace(this.member, hwpt);

  async #change(target: IommufdObject, change: Change): Promise<number> {
    if (target instanceof Hwpt) {
      const left = await change(target);
      if (left !== null) await this.#put(left);
      return target.id;
    }
    if (!(target instanceof Ioas)) failWith('EINVAL');
    const { hwpt, left } = await target.lock.run(() => this.#changeToIoas(target, change));
    if (left !== null) await this.#put(left);
    return hwpt.id;
  }

  /** Takes the first page table of the IOAS that fits, else a new one. Source: iommufd_device_auto_get_domain */
  async #changeToIoas(ioas: Ioas, change: Change): Promise<{ hwpt: Hwpt; left: Hwpt | null }> {
    for (const hwpt of this.context.hwptsOf(ioas).filter(({ auto }) => auto)) {
      try {
        return { hwpt, left: await change(hwpt) };
      } catch (error) {
        if (!isIncompatible(error)) throw error;
      }
    }
    const { objects } = this.context;
    const hwpt = objects.add(await this.context.makeHwpt(ioas, this.group, { auto: true, tracksDirty: false }));
    try {
      return { hwpt, left: await change(hwpt) };
    } catch (error) {
      await objects.remove(hwpt);
      throw error;
    }
  }

  /** Ends a use of a page table. The kernel destroys its own when nothing uses them. */
  async #put(hwpt: Hwpt): Promise<void> {
    hwpt.users -= 1;
    if (hwpt.auto && hwpt.users === 0) await this.context.objects.remove(hwpt);
  }
}

function isIncompatible(error: unknown): boolean {
  return error instanceof ErrnoFailure && error.code === 'EINVAL';
}
