import { deviceOptions, escapeComma, type BackingFiles } from './devices.js';
import type { Profile } from './profiles.js';

/** The parts of one boot. */
export interface BootOptions {
  readonly profile: Profile;
  /** bzImage. */
  readonly kernel: string;
  readonly initramfs: string;
  readonly files: BackingFiles;
  /** The host folder that the guest can write; undefined for none. */
  readonly out: string | undefined;
  readonly cpus: number;
  /** MiB. */
  readonly memory: number;
}

/** QEMU's descriptors for the guest's channels, in the order of the ports in `supervise`. */
export const CHANNEL_FDS = { stdout: 3, stderr: 4, control: 5, console: 6 } as const;

/** @returns QEMU's arguments for a boot */
export function qemuArguments(boot: BootOptions): string[] {
  return [
    // The machine always has an IOMMU; the profile decides whether the kernel uses it.
    ...['-machine', 'q35', '-accel', 'tcg,thread=multi', '-cpu', 'max'],
    // Root ports tell the kernel of hotplug themselves. QEMU's default is ACPI.
    ...['-global', 'ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off'],
    ...['-smp', String(boot.cpus), '-m', `${boot.memory}M`],
    ...numaOptions(boot),
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-kernel', boot.kernel, '-initrd', boot.initramfs, '-append', kernelCommandLine(boot.profile)],
    ...['-device', 'intel-iommu,intremap=on,aw-bits=48'],
    ...channelOptions(),
    ...shareOptions(boot.out),
    ...deviceOptions(boot.files),
  ];
}

/** One node needs no options: the kernel makes one node of the whole machine. */
function numaOptions({ profile: { numaNodes }, cpus, memory }: BootOptions): string[] {
  if (numaNodes === 1) return [];
  return Array.from({ length: numaNodes }, (_, node) => {
    const own = Array.from({ length: cpus }, (_, cpu) => cpu).filter((cpu) => cpu % numaNodes === node);
    const size = Math.floor(memory / numaNodes) + (node === 0 ? memory % numaNodes : 0);
    const share = ['-object', `memory-backend-ram,id=node${node},size=${size}M`];
    return [
      ...share,
      '-numa',
      [`node,nodeid=${node},memdev=node${node}`, ...own.map((cpu) => `cpus=${cpu}`)].join(','),
    ];
  }).flat();
}

/** A panic or an oops ends QEMU at once (panic=-1 with -no-reboot), so that the guest does not hang. */
function kernelCommandLine(profile: Profile): string {
  return ['console=ttyS0', 'quiet', 'panic=-1', 'oops=panic', ...profile.kernelOptions].join(' ');
}

/** The console is a serial port. The command's output and the control channel are virtio ports, which do not change bytes. */
function channelOptions(): string[] {
  const chardevs = Object.entries(CHANNEL_FDS).flatMap(([name, fd]) => ['-chardev', `socket,id=${name},fd=${fd}`]);
  return [
    ...chardevs,
    ...['-serial', 'chardev:console'],
    ...['-device', 'virtio-serial-pci,addr=3'],
    ...['-device', 'virtserialport,nr=1,chardev=stdout'],
    ...['-device', 'virtserialport,nr=2,chardev=stderr'],
    ...['-device', 'virtserialport,nr=3,chardev=control'],
  ];
}

/** `multidevs=remap`: the host's root can contain several file systems with equal inode numbers. */
function shareOptions(out: string | undefined): string[] {
  const root = [
    ...['-fsdev', 'local,id=hostroot,path=/,security_model=none,readonly=on,multidevs=remap'],
    ...['-device', 'virtio-9p-pci,addr=6,fsdev=hostroot,mount_tag=hostroot'],
  ];
  if (out === undefined) return root;
  return [
    ...root,
    ...['-fsdev', `local,id=out,path=${escapeComma(out)},security_model=none,multidevs=remap`],
    ...['-device', 'virtio-9p-pci,addr=7,fsdev=out,mount_tag=out'],
  ];
}
