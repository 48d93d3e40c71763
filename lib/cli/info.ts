import type { Command } from 'commander';

import type { Device } from '../device/device.js';
import { formatHex } from './arguments.js';
import {
  describeDevice,
  type DeviceDescription,
  type IrqDescription,
  type RegionDescription,
} from './device-description.js';
import { print, printJson, printTable } from './output.js';
import { addBackendOption, withDevice, type BackendOption } from './session.js';

interface InfoOptions extends BackendOption {
  readonly json?: boolean;
}

/** Adds `info DEVICE`. */
export function addInfoCommand(program: Command): void {
  const command = program
    .command('info')
    .description('show the regions with their capabilities, the interrupts and the config header of a device')
    .argument('<device>', 'a bdf, a UUID, or the name of a software device')
    .option('--json', 'print one line of JSON');
  addBackendOption(command).action(info);
}

async function info(name: string, options: InfoOptions): Promise<void> {
  const description = await withDevice(name, options, (device: Device) => describeDevice(device));
  if (options.json === true) printJson(description);
  else printDescription(description);
}

function printDescription(device: DeviceDescription): void {
  const group = device.group === undefined ? '' : `, group ${device.group}`;
  print(`${device.device}: ${device.kernel}${group}, by the ${device.backend} backend; ${device.flags.join(' ')}\n`);
  if (device.header !== undefined) printHeader(device.header);
  printTable(['REGION', 'SIZE', 'FLAGS', 'ACCESS', 'CAPABILITIES'], device.regions.map(regionRow));
  print('');
  printTable(['INTERRUPT', 'COUNT', 'FLAGS'], device.irqs.map(irqRow));
}

function printHeader(header: NonNullable<DeviceDescription['header']>): void {
  const ids = `${hex4(header.vendorId)}:${hex4(header.deviceId)}`;
  print(
    `id ${ids}, class ${formatHex(header.classCode, 6)}, revision ${header.revisionId}, command ${formatHex(header.command, 4)}`,
  );
  print(
    `capabilities ${header.capabilities.map(({ id, offset }) => `${formatHex(id, 2)}@${formatHex(offset, 2)}`).join(' ') || '-'}\n`,
  );
}

function hex4(id: number): string {
  return id.toString(16).padStart(4, '0');
}

function regionRow(region: RegionDescription): string[] {
  const capabilities = [
    ...(region.sparseMmap ?? []).map(({ offset, size }) => `sparse ${formatHex(offset)}+${formatHex(size)}`),
    ...(region.type === undefined ? [] : [`type ${formatHex(region.type.type)}.${region.type.subtype}`]),
    ...(region.msixMappable === true ? ['msix-mappable'] : []),
  ];
  return [region.name, formatHex(region.size), region.flags.join(' '), region.access, capabilities.join(', ')];
}

function irqRow({ name, count, flags }: IrqDescription): (string | number)[] {
  return [name, count, flags.join(' ')];
}
