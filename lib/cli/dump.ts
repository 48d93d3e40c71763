import type { Command } from 'commander';

import { checkRegionAccess, type Width } from '../region/access-checks.js';
import type { Region } from '../region/region.js';
import { parseBytes, parseLength, parseRegion, parseWidth } from './arguments.js';
import { hexdump } from './hexdump.js';
import { print, printJson } from './output.js';
import { readRegister, regionOf } from './register-access.js';
import { addBackendOption, withDevice, type BackendOption } from './session.js';

interface DumpOptions extends BackendOption {
  readonly width: Width;
  readonly length?: number;
  readonly json?: boolean;
}

/** Bytes. */
const DEFAULT_LENGTH = 256;

/** Adds `dump DEVICE REGION OFFSET`. */
export function addDumpCommand(program: Command): void {
  const command = program
    .command('dump')
    .description('dump a part of a region')
    .argument('<device>', 'a bdf, a UUID, or the name of a software device')
    .argument('<region>', 'bar0 to bar5, rom, config, vga or an index', parseRegion)
    .argument('[offset]', 'bytes from the start of the region', parseBytes, 0)
    .option('--length <bytes>', 'the length (default: 256, or less up to the end of the region)', parseLength)
    .option('--width <bytes>', '1, 2, 4 or 8; each value is one access of this width', parseWidth, 4)
    .option('--json', 'print one line of JSON, with the bytes in hexadecimal');
  addBackendOption(command).action(dump);
}

async function dump(device: string, region: number, offset: number, options: DumpOptions): Promise<void> {
  const { width, length, json } = options;
  const bytes = await withDevice(device, options, (attached) =>
    readRange(regionOf(attached, region), offset, width, length),
  );
  if (json === true) printJson({ device, region, offset, width, bytes: Buffer.from(bytes).toString('hex') });
  else print(hexdump(bytes, offset, width).join('\n'));
}

/** Reads the registers one after the other, in order; reads none if one of them cannot be read. */
async function readRange(
  region: Region,
  offset: number,
  width: Width,
  length = defaultLength(region, offset, width),
): Promise<Uint8Array> {
  checkRegionAccess(region.descriptor, offset, width, length, false);
  const bytes = new Uint8Array(length);
  const value = new DataView(new ArrayBuffer(8));
  for (let at = 0; at < bytes.length; at += width) {
    value.setBigUint64(0, await readRegister(region, offset + at, width), true);
    bytes.set(new Uint8Array(value.buffer, 0, width), at);
  }
  return bytes;
}

/** At least the width: beyond the region, a dump fails as a read does. */
function defaultLength(region: Region, offset: number, width: Width): number {
  const length = Math.min(DEFAULT_LENGTH, region.size - offset);
  return Math.max(width, length - (length % width));
}
