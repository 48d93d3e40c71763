import { bindDriver, restoreDriver } from '../../lib/sysfs/binding.js';
import { Engine } from '../../lib/engine/engine.js';
import { linuxKernel } from '../../lib/kernel/linux/linux.js';
import { addon } from '../../lib/native/addon.js';
import { EDU_REG } from '../../lib/models/edu/registers.js';
import type { BenchCase } from '../harness/case.js';
import { prepareMsi } from '../fixtures/msi.js';

/** edu of the guest. */
const DEVICE = '0000:00:04.0';

const msiLatencyEdu: BenchCase = {
  name: 'msi-latency-edu',
  title: 'a register of edu written until the next statement of the thread that waits for its MSI',
  unit: 'us',
  bar: 1.3,
  comparison: 'IrqWaiter.wait in a worker with read(eventfd) in a thread of C',
  async prepare() {
    await bindDriver(DEVICE);
    const engine = new Engine({ kernels: [linuxKernel()] });
    const device = await engine.attach(DEVICE, { busMaster: true });
    const eventfd = addon.eventfdCreate();
    const msi = device.irq('msi');
    await msi.enable({ eventfds: new Map([[0, eventfd]]) });
    const { view } = device.region(0).areas[0]!;
    return prepareMsi({
      eventfd,
      descriptor: msi.descriptor(),
      register: new Uint32Array(view.buffer, view.byteOffset + EDU_REG.IRQ_RAISE, 1),
      close: async () => {
        await engine.close();
        addon.closeFdSync(eventfd);
        await restoreDriver(DEVICE);
      },
    });
  },
};

export default msiLatencyEdu;
