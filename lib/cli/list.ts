import type { Command } from 'commander';

import { linuxSysfs } from '../sysfs.js';
import { takeInventory, type InventoryEntry } from './inventory.js';
import { print, printJson, printTable } from './output.js';

/** Adds `list`. */
export function addListCommand(program: Command): void {
  program
    .command('list')
    .description('list devices with their IOMMU group and driver, those of the software machine too')
    .option('--json', 'print one line of JSON')
    .action(list);
}

async function list({ json }: { readonly json?: boolean }): Promise<void> {
  // Loaded here, so that help needs no addon.
  const { defaultMachine } = await import('../kernel/software/default-machine.js');
  const machine = await defaultMachine();
  const entries = [...(await takeInventory(linuxSysfs, 'linux')), ...(await takeInventory(machine.sysfs, 'software'))];
  if (json === true) printJson(entries);
  else if (entries.length === 0) print('no devices');
  else printTable(['DEVICE', 'KERNEL', 'GROUP', 'DRIVER', 'ID', 'CLASS'], entries.map(toRow));
}

function toRow({ device, kernel, group, driver, id, classCode }: InventoryEntry): string[] {
  return [device, kernel, group ?? '-', driver ?? '-', id ?? '-', classCode ?? '-'];
}
