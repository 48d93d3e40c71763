import type { Command } from 'commander';

import type { Width } from '../region/access-checks.js';
import type { Region } from '../region/region.js';
import { parseBytes, parseRegion, parseWidth } from './arguments.js';
import { hexdump } from './hexdump.js';
import { print, printJson } from './output.js';
import { readRegister } from './register-access.js';
import { addBackendOption, withDevice, type BackendOption } from './session.js';

interface DumpOptions extends BackendOption {
  readonly width: Width;
  readonly length: number;
  readonly json?: boolean;
}

/** Adds `dump DEVICE REGION OFFSET`. */
export function addDumpCommand(program: Command): void {
  const command = program
    .command('dump')
    .description('dump a part of a region')
    .argument('<device>', 'a bdf, a UUID, or the name of a software device')
    .argument('<region>', 'bar0 to bar5, rom, config, vga or an index', parseRegion)
    .argument('[offset]', 'bytes from the start of the region', parseBytes, 0)
    .option('--length <bytes>', 'the length; it is cut at the end of the region', parseBytes, 256)
    .option('--width <bytes>', '1, 2, 4 or 8; each value is one access of this width', parseWidth, 4)
    .option('--json', 'print one line of JSON, with the bytes in hexadecimal');
  addBackendOption(command).action(dump);
}

async function dump(device: string, region: number, offset: number, options: DumpOptions): Promise<void> {
  const { width, length, json } = options;
  const bytes = await withDevice(device, options, (attached) =>
    readRange(attached.region(region), offset, length, width),
  );
  if (json === true) printJson({ device, region, offset, width, bytes: Buffer.from(bytes).toString('hex') });
  else print(hexdump(bytes, offset, width).join('\n'));
}

/** Reads the registers one after the other, in order. */
async function readRange(region: Region, offset: number, length: number, width: Width): Promise<Uint8Array> {
  const count = Math.floor(Math.min(length, Math.max(region.size - offset, 0)) / width);
  const bytes = new Uint8Array(count * width);
  const value = new DataView(new ArrayBuffer(8));
  for (let at = 0; at < bytes.length; at += width) {
    value.setBigUint64(0, await readRegister(region, offset + at, width), true);
    bytes.set(new Uint8Array(value.buffer, 0, width), at);
  }
  return bytes;
}
