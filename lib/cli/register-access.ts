import { invalidArgument, VfioError } from '../base/errors.js';
import type { Device } from '../device/device.js';
import type { Width } from '../region/access-checks.js';
import type { Region } from '../region/region.js';
import { formatHex, formatRegion } from './arguments.js';

/** Returns a region of a device. @throws ERR_INVALID_ARGUMENT if the device does not have it; names it as the command does */
export function regionOf(device: Device, regionIndex: number): Region {
  const region = device.regions.find((each) => each.regionIndex === regionIndex);
  if (region !== undefined) return region;
  const names = device.regions.map((each) => formatRegion(each.regionIndex)).join(', ');
  const name = formatRegion(regionIndex);
  throw invalidArgument(`${device.name} has no region ${name}`, names === '' ? 'it has no regions' : `it has ${names}`);
}

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

/**
 * Writes a register.
 * @param value without a sign, or a negative one in two's complement: -1 sets all bits
 * @throws ERR_OUT_OF_RANGE if the value does not fit the width; the errors of `Region`
 */
export async function writeRegister(region: Region, offset: number, width: Width, value: bigint): Promise<void> {
  const bits = 8 * width;
  if (value !== BigInt.asUintN(bits, value) && value !== BigInt.asIntN(bits, value)) {
    throw new VfioError(`the value ${value} does not fit ${width} byte(s)`, {
      code: 'ERR_OUT_OF_RANGE',
      hint: `use ${-(1n << BigInt(bits - 1))} to ${formatHex((1n << BigInt(bits)) - 1n)}, or a larger --width`,
    });
  }
  const unsigned = BigInt.asUintN(bits, value);
  switch (width) {
    case 1:
      return region.write8(offset, Number(unsigned));
    case 2:
      return region.write16(offset, Number(unsigned));
    case 4:
      return region.write32(offset, Number(unsigned));
    case 8:
      return region.write64(offset, unsigned);
  }
}
