import type { IommuGroup } from '../iommu/iommu-group.js';
import type { MachineDevice } from './machine-device.js';
import type { MachineSettings } from './machine-options.js';
import type { VfioDevice } from '../group/vfio-device.js';
import { failWith } from '../base/errno-failure.js';

/** The machine, as its /sys shows and changes it. `SoftwareMachine` implements it. */
export interface SysfsMachine {
  readonly settings: MachineSettings;
  readonly devices: ReadonlyMap<string, MachineDevice>;
  readonly iommuGroups: ReadonlyMap<number, IommuGroup>;
  /** The drivers that have a folder in sysfs. */
  readonly drivers: ReadonlySet<string>;
  /** Returns a device by its name. @throws ENODEV */
  device(name: string): MachineDevice;
  bindDriver(name: string, driver: string): Promise<void>;
  unbindDriver(name: string): Promise<void>;
}

/** A file, a folder or a link of /sys. Every access makes the tree anew, from the present state of the machine. */
export type SysfsNode =
  | { readonly kind: 'directory'; readonly entries: () => Map<string, SysfsNode> }
  | { readonly kind: 'link'; readonly target: string }
  | { readonly kind: 'file'; readonly read?: () => string; readonly write?: (data: string) => Promise<void> | void };

/** The major number of device nodes. The kernel chooses it at boot. */
const VFIO_DEV_MAJOR = 511;

type Entries = readonly (readonly [name: string, node: SysfsNode])[];

/** Makes the tree that begins at `/`. */
export function sysfsRoot(machine: SysfsMachine): SysfsNode {
  return folder(() => [
    [
      'sys',
      folder(() => [
        ['bus', folder(() => [['pci', pciBus(machine)], ...mdevBus(machine)])],
        ['class', folder(() => [['vfio-dev', vfioClass(machine)]])],
        ['devices', folder(() => deviceFolders(machine))],
        ['kernel', folder(() => [['iommu_groups', iommuGroups(machine)]])],
        ['module', folder(() => modules(machine))],
      ]),
    ],
  ]);
}

function folder(entries: () => Entries): SysfsNode {
  return { kind: 'directory', entries: () => new Map(entries()) };
}

function textFile(read: () => string): SysfsNode {
  return { kind: 'file', read: () => `${read()}\n` };
}

function link(target: string): SysfsNode {
  return { kind: 'link', target };
}

function pciBus(machine: SysfsMachine): SysfsNode {
  const devices = pciDevices(machine);
  return folder(() => [
    ['devices', folder(() => devices.map((device) => [device.name, link(`../../../${pathOf(device)}`)]))],
    ['drivers', folder(() => [...machine.drivers].map((name) => [name, driverFolder(machine, name)]))],
    ['drivers_probe', { kind: 'file', write: (name) => probe(machine, name) }],
  ]);
}

function driverFolder(machine: SysfsMachine, driver: string): SysfsNode {
  const bound = pciDevices(machine).filter((device) => device.driver === driver);
  return folder(() => [
    ['bind', { kind: 'file', write: (name) => machine.bindDriver(matching(machine, name, driver), driver) }],
    ['unbind', { kind: 'file', write: (name) => unbind(machine, name, driver) }],
    ...bound.map((device) => [device.name, link(`../../../../${pathOf(device)}`)] as const),
  ]);
}

function mdevBus(machine: SysfsMachine): Entries {
  const devices = [...machine.devices.values()].filter((device) => device.mediated);
  if (devices.length === 0) return [];
  const entries = devices.map((device) => [device.name, link(`../../../${pathOf(device)}`)] as const);
  const drivers = folder(() => [['vfio_mdev', folder(() => [])]]);
  return [
    [
      'mdev',
      folder(() => [
        ['devices', folder(() => entries)],
        ['drivers', drivers],
      ]),
    ],
  ];
}

function deviceFolders(machine: SysfsMachine): Entries {
  const parents = new Map<string, MachineDevice[]>();
  for (const device of machine.devices.values()) {
    const parent = parentOf(device);
    parents.set(parent, [...(parents.get(parent) ?? []), device]);
  }
  return [...parents].map(([parent, children]) => [
    parent,
    folder(() => children.map((device) => [device.name, deviceFolder(machine, device)])),
  ]);
}

function deviceFolder({ settings }: SysfsMachine, device: MachineDevice): SysfsNode {
  const { identity, iommuGroup, driver } = device;
  const bus = device.mediated ? 'mdev' : 'pci';
  return folder(() => [
    ...(device.mediated
      ? []
      : ([
          ['vendor', textFile(() => idNumber(identity.vendorId, 4))],
          ['device', textFile(() => idNumber(identity.deviceId, 4))],
          ['class', textFile(() => idNumber(identity.classCode, 6))],
          ['driver_override', driverOverride(device)],
        ] as const)),
    ['subsystem', link(`../../../bus/${bus}`)],
    ...(driver === null ? [] : ([['driver', link(`../../../bus/${bus}/drivers/${driver}`)]] as const)),
    ...(device.vfio === null || !settings.iommufd ? [] : ([['vfio-dev', vfioDev(device.vfio)]] as const)),
    ...(iommuGroup === null ? [] : ([['iommu_group', link(`../../../kernel/iommu_groups/${iommuGroup.id}`)]] as const)),
  ]);
}

/** The folder of VFIO in the folder of a device. A device that has a node also has its number there. Source: vfio_device_add */
function vfioDev({ index, hasCdev, name }: VfioDevice): SysfsNode {
  const number: Entries = hasCdev ? [['dev', textFile(() => `${VFIO_DEV_MAJOR}:${index}`)]] : [];
  return folder(() => [[`vfio${index}`, folder(() => [...number, ['device', link(`../../../${name}`)]])]]);
}

/** The links to the folders of VFIO, by their names. */
function vfioClass({ devices, settings }: SysfsMachine): SysfsNode {
  const links = [...devices.values()].flatMap((device) => {
    if (device.vfio === null || !settings.iommufd) return [];
    const name = `vfio${device.vfio.index}`;
    return [[name, link(`../../${pathOf(device)}/vfio-dev/${name}`)]] as const;
  });
  return folder(() => links);
}

function driverOverride(device: MachineDevice): SysfsNode {
  return {
    kind: 'file',
    read: () => `${device.driverOverride ?? '(null)'}\n`,
    write: (name) => {
      device.driverOverride = name === '' ? null : name;
    },
  };
}

function iommuGroups(machine: SysfsMachine): SysfsNode {
  return folder(() =>
    [...machine.iommuGroups.values()].map((group) => [String(group.id), groupFolder(machine, group)]),
  );
}

function groupFolder(machine: SysfsMachine, group: IommuGroup): SysfsNode {
  const members = [...machine.devices.values()].filter((device) => device.iommuGroup === group);
  const noiommu = members.some((device) => device.vfio?.group.noiommu === true);
  return folder(() => [
    ['devices', folder(() => members.map((device) => [device.name, link(`../../../../${pathOf(device)}`)]))],
    ['reserved_regions', { kind: 'file', read: () => reservedRegions(group) }],
    ['type', textFile(() => (group.domain === null ? 'DMA' : 'unknown'))],
    ...(noiommu ? ([['name', textFile(() => 'vfio-noiommu')]] as const) : []),
  ]);
}

function reservedRegions(group: IommuGroup): string {
  return group.reservedRegions
    .toSorted((a, b) => (a.start < b.start ? -1 : 1))
    .map(({ start, last, type }) => `${address(start)} ${address(last)} ${type}\n`)
    .join('');
}

function modules(machine: SysfsMachine): Entries {
  const { noiommu, allowUnsafeInterrupts, dmaEntryLimit } = machine.settings;
  const parameters = (entries: Entries): SysfsNode => folder(() => [['parameters', folder(() => entries)]]);
  return [
    ['vfio', parameters([['enable_unsafe_noiommu_mode', textFile(() => yesNo(noiommu))]])],
    [
      'vfio_iommu_type1',
      parameters([
        ['allow_unsafe_interrupts', textFile(() => yesNo(allowUnsafeInterrupts))],
        ['dma_entry_limit', textFile(() => String(dmaEntryLimit))],
      ]),
    ],
  ];
}

/** Binds the driver that `driver_override` names, else the device's native driver. Does nothing if there is neither. */
async function probe(machine: SysfsMachine, name: string): Promise<void> {
  const device = machine.device(name);
  const driver = device.driverOverride ?? device.options.nativeDriver;
  if (driver !== undefined && device.driver === null) await machine.bindDriver(name, driver);
}

/** Returns the name of a device if the driver accepts the device. @throws ENODEV */
function matching(machine: SysfsMachine, name: string, driver: string): string {
  const device = machine.device(name);
  const takes = device.driverOverride ?? device.options.nativeDriver;
  return takes === driver ? name : failWith('ENODEV');
}

async function unbind(machine: SysfsMachine, name: string, driver: string): Promise<void> {
  if (machine.device(name).driver !== driver) failWith('ENODEV');
  await machine.unbindDriver(name);
}

function pciDevices(machine: SysfsMachine): MachineDevice[] {
  return [...machine.devices.values()].filter((device) => !device.mediated);
}

/** Returns the name of the host bridge, `pciDDDD:BB`. */
function parentOf(device: MachineDevice): string {
  return device.mediated ? 'mdev-parent' : `pci${device.name.slice(0, device.name.lastIndexOf(':'))}`;
}

function pathOf(device: MachineDevice): string {
  return `devices/${parentOf(device)}/${device.name}`;
}

function idNumber(value: number, digits: number): string {
  return `0x${value.toString(16).padStart(digits, '0')}`;
}

function address(value: bigint): string {
  return `0x${value.toString(16).padStart(16, '0')}`;
}

function yesNo(value: boolean): string {
  return value ? 'Y' : 'N';
}
