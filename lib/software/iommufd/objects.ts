import { failWith } from '../base/errno-failure.js';
import { lowestFree } from '../base/lowest-free.js';

/** What an id of an iommufd can stand for. Source: enum iommufd_object_type */
export type ObjectKind = 'device' | 'access' | 'ioas' | 'hwpt';

/** An object of an iommufd, which the user names by its id. Source: struct iommufd_object */
export abstract class IommufdObject {
  abstract readonly kind: ObjectKind;
  /** Its id; 0 before it is in the table. */
  id = 0;
  /** How many other objects, drivers and calls use it. It cannot be destroyed before the count is 0. */
  users = 0;

  /** Frees what the object holds. Runs once, after it has left the table. */
  abstract destroy(): Promise<void> | void;
}

/** The objects of one iommufd. Source: struct iommufd_ctx, objects */
export class ObjectTable {
  readonly #objects = new Map<number, IommufdObject>();

  get empty(): boolean {
    return this.#objects.size === 0;
  }

  find(id: number): IommufdObject | undefined {
    return this.#objects.get(id);
  }

  /** Gives an object the lowest free id. Source: xa_alloc, XA_FLAGS_ALLOC1 */
  add<T extends IommufdObject>(object: T): T {
    object.id = lowestFree(this.#objects, 1);
    this.#objects.set(object.id, object);
    return object;
  }

  /** The objects, the oldest first. */
  get all(): readonly IommufdObject[] {
    return [...this.#objects.values()];
  }

  has(object: IommufdObject): boolean {
    return this.#objects.get(object.id) === object;
  }

  /** Returns an object. @throws ENOENT */
  get(id: number): IommufdObject {
    return this.#objects.get(id) ?? failWith('ENOENT');
  }

  /** Runs a call that uses objects: none of them is destroyed before it has returned. Source: shortterm_users */
  async using<T>(objects: readonly IommufdObject[], call: () => Promise<T> | T): Promise<T> {
    for (const object of objects) object.users += 1;
    try {
      return await call();
    } finally {
      for (const object of objects) object.users -= 1;
    }
  }

  /** Performs IOMMU_DESTROY. @throws ENOENT; EBUSY while the object is used */
  async destroy(id: number): Promise<void> {
    const object = this.get(id);
    if (object.users > 0) failWith('EBUSY');
    await this.remove(object);
  }

  /** Removes an object that nothing uses. */
  async remove(object: IommufdObject): Promise<void> {
    this.#objects.delete(object.id);
    await object.destroy();
  }

  /** Destroys all objects, those that nothing uses first. Source: iommufd_fops_release */
  async destroyAll(): Promise<void> {
    while (this.#objects.size > 0) {
      const unused = [...this.#objects.values()].filter(({ users }) => users === 0);
      if (unused.length === 0) throw new Error('the objects of an iommufd use each other in a circle');
      for (const object of unused) await this.remove(object);
    }
  }
}
