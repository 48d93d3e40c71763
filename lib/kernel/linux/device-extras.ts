import { VfioError } from '../../base/errors.js';
import { addon } from '../../native/addon.js';
import type { DeviceExtras } from '../device-extras.js';

/** The device operations that only the real kernel has. */
export const linuxDeviceExtras: DeviceExtras = {
  getHotResetInfo: (device) => addon.deviceGetPciHotResetInfo(device),
  hotReset: (device, groups) => addon.devicePciHotReset(device, Int32Array.from(groups)),
  hasFeature: (device, feature, ways = 0) => {
    try {
      addon.deviceFeatureProbe(device, feature, ways);
      return true;
    } catch (error) {
      // ENOTTY: no such feature. EINVAL: the feature does not allow these operations.
      if (error instanceof VfioError && (error.code === 'ENOTTY' || error.code === 'EINVAL')) return false;
      throw error;
    }
  },
  getFeature: (device, feature, payload) => addon.deviceFeatureGet(device, feature, payload),
  setFeature: (device, feature, payload) => addon.deviceFeatureSet(device, feature, payload),
  setIoeventfd: (device, { fileOffset, width, data, eventfd }) =>
    addon.deviceIoeventfd(device, fileOffset, width, data, eventfd),
};
