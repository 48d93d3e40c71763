import { IOMMU_HW_INFO_TYPE_NONE } from '../../../lib/uapi/iommufd.js';
import { SoftwareMachine } from '../../../lib/software/machine/software-machine.js';
import { describeIommufdAnswers } from '../../contract/iommufd-answers.js';

for (const dirtyTracking of [false, true]) {
  let machine: SoftwareMachine;
  describeIommufdAnswers(
    `the software core, ${dirtyTracking ? 'which tracks' : 'which does not track'} writes`,
    async () => {
      machine = new SoftwareMachine({ dirtyTracking });
      await machine.addDevice({ name: 'f000:00:04.0', group: 0, model: 'edu' });
      const kernel = machine.process();
      return { kernel, group: '0', cdev: 'vfio0', hwInfoType: IOMMU_HW_INFO_TYPE_NONE, dirtyTracking };
    },
    () => machine.close(),
  );
}
