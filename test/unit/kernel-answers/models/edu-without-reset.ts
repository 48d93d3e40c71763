import edu from '../../../../lib/models/edu/edu.js';

/** The edu of the reference is on the root bus, where vfio-pci cannot reset it. */
export default { ...edu, resettable: false };
