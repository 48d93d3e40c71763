import { readdirSync } from 'node:fs';
import { join } from 'node:path';

import { linuxKernel } from '../../../../lib/kernel/linux/linux.js';
import { IOMMU_HW_INFO_TYPE_INTEL_VTD } from '../../../../lib/uapi/iommufd.js';
import { describeIommufdAnswers } from '../../../contract/iommufd-answers.js';
import { BDF } from '../../devices.js';
import { bind, restore } from '../../support/binding.js';
import { deviceFolder, groupName } from '../../support/sysfs.js';

describeIommufdAnswers(
  'the real kernel',
  async () => {
    await bind(BDF.edu);
    const [cdev = ''] = readdirSync(join(deviceFolder(BDF.edu), 'vfio-dev'));
    const hwInfoType = IOMMU_HW_INFO_TYPE_INTEL_VTD;
    return { kernel: linuxKernel(), group: groupName(BDF.edu), cdev, hwInfoType, dirtyTracking: false };
  },
  () => restore(BDF.edu),
);
