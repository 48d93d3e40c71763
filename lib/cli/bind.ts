import type { Command } from 'commander';

import { bindDriver, restoreDriver, type DriverChange } from '../sysfs/binding.js';
import { listDevices } from '../sysfs/inventory.js';
import { parseSeconds } from './arguments.js';
import { print, printJson } from './output.js';

interface Options {
  readonly driver?: string;
  readonly timeout: number;
  readonly json?: boolean;
}

/** Adds `bind DEVICE`. */
export function addBindCommand(program: Command): void {
  const command = program
    .command('bind')
    .description('bind a PCI function to vfio-pci, taking it from the driver that it has')
    .option('--driver <name>', 'another driver than vfio-pci');
  addCommon(command, (device, { driver, timeout }) =>
    bindDriver(device, { timeoutMs: timeout * 1000, ...(driver !== undefined && { driver }) }),
  );
}

/** Adds `unbind DEVICE`. */
export function addUnbindCommand(program: Command): void {
  const command = program
    .command('unbind')
    .description('give a PCI function back to the driver that the kernel chooses');
  addCommon(command, (device, { timeout }) => restoreDriver(device, { timeoutMs: timeout * 1000 }));
}

function addCommon(command: Command, change: (device: string, options: Options) => Promise<DriverChange>): void {
  command
    .argument('<device>', 'a bdf')
    .option('--timeout <seconds>', 'how long each step may wait for users of the device', parseSeconds, 15)
    .option('--json', 'print one line of JSON')
    .action(async (device: string, options: Options) => report(await change(device, options), options.json === true));
}

/** Says what was done, and whether the group can be given to a user now. */
async function report(change: DriverChange, json: boolean): Promise<void> {
  const entry = (await listDevices()).find(({ device }) => device === change.device);
  const { group = null, viable = null, blocker = null } = entry ?? {};
  if (json) return printJson({ ...change, group, viable, blocker });
  const before = change.before === change.driver ? 'as before' : `was ${change.before ?? 'without'}`;
  print(`${change.device}: driver ${change.driver ?? 'none'} (${before})`);
  if (blocker !== null) print(`group ${group} is not viable: ${blocker.device} has ${blocker.driver}; bind it too`);
}
