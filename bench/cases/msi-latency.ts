import { IrqVector } from '../../lib/irq/vector.js';
import { addon } from '../../lib/native/addon.js';
import type { BenchCase } from '../harness/case.js';
import { prepareMsi } from '../fixtures/msi.js';

const msiLatency: BenchCase = {
  name: 'msi-latency',
  title: 'a message (a vector’s eventfd written) until the next statement of the thread that waits',
  unit: 'us',
  bar: 1.3,
  comparison: 'IrqWaiter.wait in a worker with read(eventfd) in a thread of C',
  prepare: () => {
    const vector = IrqVector.create(undefined);
    const { fd, off } = vector;
    const close = (): Promise<void> => Promise.resolve(addon.closeFdSync(fd));
    return Promise.resolve(prepareMsi({ eventfd: fd, descriptor: { ...vector.lend(), off }, close }));
  },
};

export default msiLatency;
