import type { ReservedRange } from '../../base/iova-range.js';
import { VfioError, withContext } from '../../base/errors.js';
import { callKernel, withHint, ifFound } from '../../kernel/hints.js';
import { groupNodeName } from '../../sysfs/vfio-nodes.js';
import { describeViabilityBlocker, describeGroupUsers } from '../../sysfs/group-hints.js';
import type { Fd, VfioKernel } from '../../kernel/kernel.js';
import { queryReservedRanges, type GroupId } from '../../sysfs/iommu-group.js';
import { VFIO_GROUP_FLAGS_VIABLE } from '../../uapi/vfio.js';
import { allOf, Unwinding } from '../../base/unwinding.js';

/** An open IOMMU group. Whoever opened it closes its descriptor. */
export class Group {
  private constructor(
    readonly id: string,
    readonly noiommu: boolean,
    readonly fd: Fd,
    readonly path: string,
    /** The ranges that its devices cannot use for DMA. */
    readonly reserved: readonly ReservedRange[],
  ) {}

  /** Opens a group. @throws (rejects) EPERM if a driver makes it not viable; the errors of opening its node */
  static async open(kernel: VfioKernel, groupId: GroupId): Promise<Group> {
    const { id, noiommu } = groupId;
    const name = groupNodeName(groupId);
    const path = `/dev/vfio/${name}`;
    const undo = new Unwinding();
    try {
      // The open runs on a call thread; this thread reads /sys meanwhile.
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

/** Opens the node of a group. If the group is busy, the hint names its users. */
async function openGroup(kernel: VfioKernel, groupId: GroupId, name: string, path: string): Promise<Fd> {
  try {
    return await kernel.openGroup(name);
  } catch (error) {
    const busy = error instanceof VfioError && error.code === 'EBUSY';
    const users = busy ? await ifFound(() => describeGroupUsers(kernel, groupId)) : undefined;
    if (users === undefined) throw withHint(error, 'openGroup', { path });
    throw withContext(error, { path, hint: `${users}: a group has one user at a time` });
  }
}

/** Tells whether a range cannot be mapped. The kernel relaxes a direct-relaxable range for VFIO. Source: vfio_iommu_type1.c */
function isBarred({ type }: ReservedRange): boolean {
  return type !== 'direct-relaxable';
}

async function notViable(kernel: VfioKernel, groupId: string, path: string): Promise<VfioError> {
  const hint =
    (await ifFound(() => describeViabilityBlocker(kernel.sysfs, groupId))) ??
    'every device of the group must be bound to vfio-pci or to no driver';
  return new VfioError(`group ${groupId} is not viable`, {
    code: 'EPERM',
    errno: 1,
    syscall: 'ioctl(VFIO_GROUP_GET_STATUS)',
    path,
    hint,
  });
}
