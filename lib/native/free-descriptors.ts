import { withContext } from '../base/errors.js';
import { TOO_MANY_FILES } from '../base/thread-error.js';
import type { Fd } from '../kernel/kernel.js';
import { addon } from './addon.js';

/**
 * The descriptors that a thread or a process of Node.js needs to begin: those of its event loop and of the modules that it
 * reads first, with some to spare.
 */
const START_DESCRIPTORS = 8;

/**
 * Checks that a thread or process can begin. Without the descriptors, Node.js reports the failure late, without a system call,
 * and never closes some of those that it had opened.
 * @throws EMFILE, ENFILE
 */
export function requireStartDescriptors(): void {
  const opened: Fd[] = [];
  try {
    while (opened.length < START_DESCRIPTORS) opened.push(addon.eventfdCreate());
  } catch (error) {
    throw withContext(error, { hint: TOO_MANY_FILES });
  } finally {
    for (const fd of opened) addon.closeFdSync(fd);
  }
}
