/** A way to boot the guest: the kernel's options for IOMMU and VFIO, and the NUMA nodes. */
export interface Profile {
  readonly name: ProfileName;
  /** What the profile tests, in a few words. */
  readonly summary: string;
  readonly kernelOptions: readonly string[];
  /** The number of NUMA nodes. CPUs and memory are divided among them. */
  readonly numaNodes: number;
}

export type ProfileName = 'default' | 'noiommu';

export const PROFILES: Readonly<Record<ProfileName, Profile>> = {
  default: {
    name: 'default',
    summary: 'an IOMMU that translates: groups, containers, iommufd',
    kernelOptions: ['intel_iommu=on'],
    numaNodes: 1,
  },
  noiommu: {
    name: 'noiommu',
    summary: 'no IOMMU, VFIO allowed without one: groups named noiommu-N; two NUMA nodes',
    kernelOptions: ['intel_iommu=off', 'vfio.enable_unsafe_noiommu_mode=1'],
    numaNodes: 2,
  },
};

/**
 * Kernel options for long runs. QEMU 7.2 without KVM loses a one-shot timer of a CPU about every 15 minutes; the kernel on that
 * CPU then waits forever ("Possible timer handling issue"). A periodic tick ends such a wait, but makes the guest slower.
 */
export const PERIODIC_TICK = ['nohz=off', 'highres=off'] as const;

export const PROFILE_NAMES = Object.keys(PROFILES) as readonly ProfileName[];
