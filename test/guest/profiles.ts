/** A boot of the guest: what the kernel's command line says about the IOMMU and VFIO, and how the machine is divided. */
export interface Profile {
  readonly name: ProfileName;
  /** What one has it for. */
  readonly summary: string;
  readonly kernelOptions: readonly string[];
  /** NUMA nodes, each with a share of the CPUs and of the memory. */
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
 * QEMU 7.2 without KVM loses a CPU's one-shot timer every quarter of an hour or so; the kernel on that CPU then waits for
 * ever for a wake-up that it set ("Possible timer handling issue"). A tick that comes by itself ends such a wait, and makes
 * everything slower, so it is for long runs alone.
 */
export const PERIODIC_TICK = ['nohz=off', 'highres=off'] as const;

export const PROFILE_NAMES = Object.keys(PROFILES) as readonly ProfileName[];

/** Tells a profile's name from other text. */
export function isProfileName(text: string): text is ProfileName {
  return Object.hasOwn(PROFILES, text);
}
