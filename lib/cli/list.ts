import type { Command } from 'commander';

import type { InventoryEntry } from '../sysfs/inventory.js';
import { print, printJson, printTable } from './output.js';

/** Adds `list`. */
export function addListCommand(program: Command): void {
  program
    .command('list')
    .description('list devices with their IOMMU group, driver and viability, including the software devices')
    .option('--json', 'print one line of JSON')
    .action(printDevices);
}

async function printDevices({ json }: { readonly json?: boolean }): Promise<void> {
  const { listDevices } = await import('../sysfs/inventory.js');
  const { defaultMachine } = await import('../software/machine/default-machine.js');
  const machine = await defaultMachine();
  const entries = [...(await listDevices()), ...(await listDevices(machine.sysfs, 'software'))];
  if (json === true) printJson(entries);
  else if (entries.length === 0) print('no devices');
  else printTable(['DEVICE', 'KERNEL', 'GROUP', 'DRIVER', 'ID', 'CLASS', 'VIABLE'], entries.map(toRow));
}

function toRow({ device, kernel, group, driver, id, classCode, viable, blocker }: InventoryEntry): string[] {
  const viability = blocker === null ? (viable === true ? 'yes' : '-') : `no: ${blocker.device} has ${blocker.driver}`;
  return [device, kernel, group ?? '-', driver ?? '-', id ?? '-', classCode ?? '-', viability];
}
