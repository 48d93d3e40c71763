import type { Command } from 'commander';

import type { DriverChange } from '../sysfs/binding.js';
import { parseSeconds } from './arguments.js';
import { print, printJson } from './output.js';

interface BindCommandOptions {
  readonly driver?: string;
  readonly timeout: number;
  readonly json?: boolean;
}

/** Adds `bind DEVICE`. */
export function addBindCommand(program: Command): void {
  const command = program
    .command('bind')
    .description('bind a PCI function to vfio-pci, and unbind the driver that it has')
    .option('--driver <name>', 'bind this driver instead of vfio-pci');
  addBindOptions(command, async (device, { driver, timeout }) => {
    const { bindDriver } = await import('../sysfs/binding.js');
    return bindDriver(device, { timeoutMs: timeout * 1000, ...(driver !== undefined && { driver }) });
  });
}

/** Adds `unbind DEVICE`. */
export function addUnbindCommand(program: Command): void {
  const command = program.command('unbind').description('bind a PCI function to the driver that the kernel chooses');
  addBindOptions(command, async (device, { timeout }) => {
    const { restoreDriver } = await import('../sysfs/binding.js');
    return restoreDriver(device, { timeoutMs: timeout * 1000 });
  });
}

function addBindOptions(
  command: Command,
  change: (device: string, options: BindCommandOptions) => Promise<DriverChange>,
): void {
  command
    .argument('<device>', 'a bdf')
    .option('--timeout <seconds>', 'how long each step waits for the users of the device', parseSeconds, 15)
    .option('--json', 'print one line of JSON')
    .action(async (device: string, options: BindCommandOptions) =>
      printChange(await change(device, options), options.json === true),
    );
}

/** Prints the change, and the function that still makes the group not viable. */
async function printChange(change: DriverChange, json: boolean): Promise<void> {
  const { listDevices } = await import('../sysfs/inventory.js');
  const entry = (await listDevices()).find(({ device }) => device === change.device);
  const { group = null, viable = null, blocker = null } = entry ?? {};
  if (json) return printJson({ ...change, group, viable, blocker });
  const before = change.before === change.driver ? 'as before' : `was ${change.before ?? 'without'}`;
  print(`${change.device}: driver ${change.driver ?? 'none'} (${before})`);
  if (blocker !== null) print(`group ${group} is not viable: ${blocker.device} has ${blocker.driver}; bind it too`);
}
