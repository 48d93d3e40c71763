import { VfioError } from '../base/errors.js';
import type { Width } from '../region/access-checks.js';
import type { Region } from '../region/region.js';
import { formatHex } from './arguments.js';

/** Reads a register. @throws the errors of `Region` */
export async function readRegister(region: Region, offset: number, width: Width): Promise<bigint> {
  switch (width) {
    case 1:
      return BigInt(await region.read8(offset));
    case 2:
      return BigInt(await region.read16(offset));
    case 4:
      return BigInt(await region.read32(offset));
    case 8:
      return region.read64(offset);
  }
}

/** Writes a register. @throws ERR_OUT_OF_RANGE if the value does not fit the width; the errors of `Region` */
export async function writeRegister(region: Region, offset: number, width: Width, value: bigint): Promise<void> {
  if (value < 0n || value >> BigInt(8 * width) !== 0n) {
    throw new VfioError(`the value ${value} does not fit ${width} byte(s)`, {
      code: 'ERR_OUT_OF_RANGE',
      hint: `use 0 to ${formatHex((1n << BigInt(8 * width)) - 1n)}, or a larger --width`,
    });
  }
  switch (width) {
    case 1:
      return region.write8(offset, Number(value));
    case 2:
      return region.write16(offset, Number(value));
    case 4:
      return region.write32(offset, Number(value));
    case 8:
      return region.write64(offset, value);
  }
}
