import { systemError } from '../../base/errors.js';
import type { RegionInfo } from '../../kernel/kernel.js';
import * as vfio from '../../uapi/vfio.js';
import type { BarLayout, PciModel } from '../pci-model.js';
import type { ConfigImage } from './config-image.js';
import { mappedAreas } from './bar-layout.js';

const READ_WRITE = vfio.VFIO_REGION_INFO_FLAG_READ | vfio.VFIO_REGION_INFO_FLAG_WRITE;

/**
 * Describes a region. A memory BAR of hardware can be mapped whole; a BAR of a model only where it is plain memory,
 * because an access to a register must reach the model. `offset` is the offset in the descriptor of the region.
 * An absent region has size 0, as libvfio-user describes it; so has the VGA region, which no model has.
 * @throws EINVAL for an index from VFIO_PCI_NUM_REGIONS on
 */
export function regionInfo(model: PciModel, image: ConfigImage, regionIndex: number): RegionInfo {
  const region = { index: regionIndex, offset: 0n, capabilities: {} };
  if (regionIndex <= vfio.VFIO_PCI_BAR5_REGION_INDEX) {
    const bar = model.bars.find((candidate) => candidate.index === regionIndex);
    return bar === undefined ? { ...region, flags: 0, size: 0n } : barInfo(bar);
  }
  if (regionIndex === vfio.VFIO_PCI_ROM_REGION_INDEX) {
    const flags = image.romSize === 0 ? 0 : vfio.VFIO_REGION_INFO_FLAG_READ;
    return { ...region, flags, size: BigInt(image.romSize) };
  }
  if (regionIndex === vfio.VFIO_PCI_CONFIG_REGION_INDEX) {
    return { ...region, flags: READ_WRITE, size: BigInt(image.bytes.length) };
  }
  if (regionIndex < vfio.VFIO_PCI_NUM_REGIONS) return { ...region, flags: 0, size: 0n };
  throw systemError('EINVAL', 'vfio-user(DEVICE_GET_REGION_INFO)');
}

function barInfo(bar: BarLayout): RegionInfo {
  const areas = mappedAreas(bar).map(({ offset, size }) => ({ offset: BigInt(offset), size: BigInt(size) }));
  const region = { index: bar.index, size: BigInt(bar.size), offset: 0n };
  if (areas.length === 0) return { ...region, flags: READ_WRITE, capabilities: {} };
  const mappable = READ_WRITE | vfio.VFIO_REGION_INFO_FLAG_MMAP;
  if (bar.mapped === true) return { ...region, flags: mappable, capabilities: {} };
  const flags = mappable | vfio.VFIO_REGION_INFO_FLAG_CAPS;
  return { ...region, flags, capabilities: { sparseMmap: areas } };
}
