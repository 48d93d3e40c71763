import { withContext } from '../base/errors.js';
import { TOO_MANY_FILES } from '../base/thread-error.js';
import type { Fd } from '../kernel/kernel.js';
import { addon } from './addon.js';

/** The descriptors of an event loop and of the pipes to it, with some to spare. */
const LOOP_DESCRIPTORS = 8;
/**
 * At least the modules of any file in `workers/`, with room for those of a model. Node.js opens all imports of a module at once, and
 * the imports of these.
 * @internal A test counts the modules.
 */
export const THREAD_MODULES = 72;

/**
 * Checks that a thread or process can begin. Without the descriptors, Node.js reports the failure late and without a system call. It
 * also never closes those that it had just opened, such as modules that it was reading when the failure ended the thread.
 * @param what a process has a table of descriptors of its own
 * @throws EMFILE, ENFILE
 */
export function requireStartDescriptors(what: 'thread' | 'process'): void {
  const needed = LOOP_DESCRIPTORS + (what === 'thread' ? THREAD_MODULES : 0);
  const opened: Fd[] = [];
  try {
    while (opened.length < needed) opened.push(addon.eventfdCreate());
  } catch (error) {
    throw withContext(error, { hint: TOO_MANY_FILES });
  } finally {
    for (const fd of opened) addon.closeFdSync(fd);
  }
}
