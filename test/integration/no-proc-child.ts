/** Attaches devices while /proc is empty. Prints a line of JSON: what they answered, and which files count as eventfds. */
import { closeSync, existsSync, openSync } from 'node:fs';

import { Engine } from '../../lib/engine/engine.js';
import { REG } from '../../lib/models/testdev/layout.js';
import { addon } from '../../lib/native/addon.js';
import { SoftwareMachine } from '../../lib/software/machine/software-machine.js';

async function answersOf(placement: 'thread' | 'process'): Promise<unknown> {
  const name = 'f000:00:05.0';
  const machine = new SoftwareMachine();
  await machine.addDevice({ name, model: 'testdev', placement });
  const engine = new Engine({ machine });
  const device = await engine.attach(name, { busMaster: true });
  const memory = await device.dma.allocate(4096);
  await device.irq('msix').enable();
  await device.irq('msix').trigger(0);
  const interrupts = await device.irq('msix').next(0, { timeoutMs: 5000 });
  const ident = await device.region(2).read32(REG.IDENT);
  await memory.free();
  await engine.close();
  await machine.close();
  return { interrupts, ident };
}

const eventfd = addon.eventfdCreate();
const memfd = addon.memfdCreate('no-proc', 4096n, 0);
const [socket, peer] = addon.socketPair();
const file = openSync('/dev/null', 'r+');
const eventfds = [eventfd, memfd, socket, file, 9999].map((fd) => addon.isEventfd(fd));
for (const fd of [eventfd, memfd, socket, peer]) addon.closeFdSync(fd);
closeSync(file);
const devices = [await answersOf('thread'), await answersOf('process')];
console.log(JSON.stringify({ proc: existsSync('/proc/self'), eventfds, devices }));
