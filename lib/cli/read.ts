import type { Command } from 'commander';

import type { Width } from '../region/access-checks.js';
import { readRegister, regionOf } from './register-access.js';
import { formatHex, parseBytes, parseRegion, parseWidth } from './arguments.js';
import { print, printJson } from './output.js';
import { addBackendOption, withDevice, type BackendOption } from './session.js';

interface ReadOptions extends BackendOption {
  readonly width: Width;
  readonly json?: boolean;
}

/** Adds `read DEVICE REGION OFFSET`. */
export function addReadCommand(program: Command): void {
  const command = program
    .command('read')
    .description('read a register of a region')
    .argument('<device>', 'a bdf, a UUID, or the name of a software device')
    .argument('<region>', 'bar0 to bar5, rom, config, vga or an index', parseRegion)
    .argument('<offset>', 'bytes from the start of the region', parseBytes)
    .option('--width <bytes>', '1, 2, 4 or 8', parseWidth, 4)
    .option('--json', 'print one line of JSON');
  addBackendOption(command).action(read);
}

async function read(device: string, region: number, offset: number, options: ReadOptions): Promise<void> {
  const { width, json } = options;
  const value = await withDevice(device, options, (attached) =>
    readRegister(regionOf(attached, region), offset, width),
  );
  if (json === true) printJson({ device, region, offset, width, value });
  else print(formatHex(value, 2 * width));
}
