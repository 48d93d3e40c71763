/** The thread of a fault plan. `workerData` is a `FaultThreadData`. */
import { workerData } from 'node:worker_threads';

import { FaultRelays } from '../lib/faults/fault-relays.js';
import type { FaultThreadData } from '../lib/faults/messages.js';

new FaultRelays(workerData as FaultThreadData);
