/**
 * Sends messages with descriptors to itself: one while the process has no room for them, and one after that. Prints what
 * arrived: the length of the message, and the descriptors as slots of `socketReceive`.
 */
import { closeSync } from 'node:fs';

import { addon } from '../../lib/native/addon.js';
import { encodeMessage } from '../../lib/vfio-user/protocol/header.js';
import { fillDescriptors } from '../support/open-fds.js';

const [sender, receiver] = addon.socketPair();
const events = [addon.eventfdCreate(), addon.eventfdCreate()];
const message = encodeMessage({ id: 1, command: 8, type: 'command' }, new Uint8Array(20));

function receive(): object {
  const slots = new Int32Array(4);
  const length = addon.socketReceive(receiver, new Uint8Array(4096), slots, 1000);
  return { length, count: slots[0], lost: slots[1] === -1 };
}

addon.socketSend(sender, message, message.length, events);
addon.socketSend(sender, message, message.length, events);
const fill = fillDescriptors(1);
const without = receive();
for (const fd of fill) closeSync(fd);
console.log(JSON.stringify([without, receive()]));
