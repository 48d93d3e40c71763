import edu from '../../../../lib/models/edu/edu.js';

/** The reference's edu sits on the root bus, where vfio-pci finds no way to reset it. */
export default { ...edu, resettable: false };
