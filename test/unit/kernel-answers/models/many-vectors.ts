import testdev from '../../../../lib/models/testdev/testdev.js';

/** The testdev with as many MSI-X vectors as the reference's NVMe controller. */
export default { ...testdev, msix: { ...testdev.msix, vectors: 65 } };
