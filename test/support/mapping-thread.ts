// A thread that maps its workerData for a device of its own, until it receives a message.
import { parentPort, workerData } from 'node:worker_threads';

import { Engine } from '../../lib/engine/engine.js';
import { SoftwareMachine } from '../../lib/software/machine/software-machine.js';

const DEVICE = 'f000:00:04.0';

const machine = new SoftwareMachine();
await machine.addDevice({ name: DEVICE, model: 'edu' });
const engine = new Engine({ machine });
const device = await engine.attach(DEVICE);
await device.dma.map(workerData as SharedArrayBuffer);
parentPort?.postMessage('mapped');
await new Promise((resolve) => parentPort?.once('message', resolve));
await engine.close();
await machine.close();
parentPort?.close();
