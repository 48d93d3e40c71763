import type { Command } from 'commander';

import type { Width } from '../region/access-checks.js';
import { regionOf, writeRegister } from './register-access.js';
import { parseBytes, parseRegion, parseValue, parseWidth } from './arguments.js';
import { addBackendOption, withDevice, type BackendOption } from './session.js';

interface WriteOptions extends BackendOption {
  readonly width: Width;
}

/** Adds `write DEVICE REGION OFFSET VALUE`. */
export function addWriteCommand(program: Command): void {
  const command = program
    .command('write')
    .description('write a register of a region')
    .argument('<device>', 'a bdf, a UUID, or the name of a software device')
    .argument('<region>', 'bar0 to bar5, rom, config, vga or an index', parseRegion)
    .argument('<offset>', 'bytes from the start of the region', parseBytes)
    .argument('<value>', 'a number that fits the width; -1 sets all bits', parseValue)
    .option('--width <bytes>', '1, 2, 4 or 8', parseWidth, 4);
  addBackendOption(command).action(write);
}

async function write(
  device: string,
  region: number,
  offset: number,
  value: bigint,
  options: WriteOptions,
): Promise<void> {
  await withDevice(device, options, (attached) =>
    writeRegister(regionOf(attached, region), offset, options.width, value),
  );
}
