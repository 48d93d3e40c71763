import type { ReservedRange } from '../../base/iova-range.js';
import { VfioError, withContext } from '../../base/errors.js';
import { callKernel, withHint, ifFound } from '../../kernel/hints.js';
import { groupNodeName } from '../../sysfs/vfio-nodes.js';
import { describeViabilityBlocker, describeGroupUsers } from '../../sysfs/group-hints.js';
import type { Fd, VfioKernel } from '../../kernel/kernel.js';
import { queryReservedRanges, type GroupId } from '../../sysfs/iommu-group.js';
import { VFIO_GROUP_FLAGS_VIABLE } from '../../uapi/vfio.js';
import { allOf, Unwinding } from '../../base/unwinding.js';

/** An open IOMMU group. */
export class Group {
  private constructor(
    readonly id: string,
    readonly noiommu: boolean,
    readonly fd: Fd,
    readonly path: string,
    /** What its devices' DMA cannot use. */
    readonly reserved: readonly ReservedRange[],
  ) {}

  /** Opens a group and makes sure that it can be used. @throws EPERM when a driver keeps it from being viable */
  static async open(kernel: VfioKernel, groupId: GroupId): Promise<Group> {
    const { id, noiommu } = groupId;
    const name = groupNodeName(groupId);
    const path = `/dev/vfio/${name}`;
    const undo = new Unwinding();
    try {
      // A thread of the pool opens while this one reads.
      const opening = openGroup(kernel, groupId, name, path).then((opened) => {
        undo.push(() => kernel.close(opened));
        return opened;
      });
      const [fd, reserved] = await allOf([opening, queryReservedRanges(kernel.sysfs, id)]);
      const { flags } = callKernel('getGroupStatus', { path }, () => kernel.getGroupStatus(fd));
      if ((flags & VFIO_GROUP_FLAGS_VIABLE) === 0) throw await notViable(kernel, id, path);
      return new Group(id, noiommu, fd, path, reserved.filter(isBarred));
    } catch (error) {
      throw await undo.failed(error);
    }
  }
}

/** Says who has the group where somebody has. */
async function openGroup(kernel: VfioKernel, groupId: GroupId, name: string, path: string): Promise<Fd> {
  try {
    return await kernel.openGroup(name);
  } catch (error) {
    const busy = error instanceof VfioError && error.code === 'EBUSY';
    const users = busy ? await ifFound(() => describeGroupUsers(kernel, groupId)) : undefined;
    if (users === undefined) throw withHint(error, 'openGroup', { path });
    throw withContext(error, { path, hint: `${users}: one user of a group at a time` });
  }
}

/** A relaxable range may be mapped over once the firmware has let the device go. Source: iommu_group_reserved_region */
function isBarred({ type }: ReservedRange): boolean {
  return type !== 'direct-relaxable';
}

async function notViable(kernel: VfioKernel, groupId: string, path: string): Promise<VfioError> {
  const hint =
    (await ifFound(() => describeViabilityBlocker(kernel.sysfs, groupId))) ??
    'every device of the group has to be bound to vfio-pci or to no driver';
  return new VfioError(`group ${groupId} is not viable`, {
    code: 'EPERM',
    errno: 1,
    syscall: 'ioctl(VFIO_GROUP_GET_STATUS)',
    path,
    hint,
  });
}
