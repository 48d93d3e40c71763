import type { Fd, IrqSet } from '../../kernel/kernel.js';
import { invalidArgument } from '../../base/errors.js';

/** One DEVICE_SET_IRQS message. */
export interface IrqMessage {
  readonly set: IrqSet;
  readonly fds: readonly Fd[];
}

/**
 * Cuts a DATA_EVENTFD set into messages: runs of descriptors of at most `maxFds`, and runs without (-1), which take the
 * vectors' eventfds away.
 * @throws ERR_INVALID_ARGUMENT when there are not `count` eventfds
 */
export function irqMessages(set: IrqSet, eventfds: readonly Fd[], maxFds: number): IrqMessage[] {
  if (eventfds.length !== set.count) {
    throw invalidArgument(`${eventfds.length} eventfds for ${set.count} vectors`);
  }
  const { flags, index } = set;
  const messages: IrqMessage[] = [];
  for (let at = 0; at < eventfds.length;) {
    const assigns = isFd(eventfds[at]);
    let end = at + 1;
    while (end < eventfds.length && isFd(eventfds[end]) === assigns && (!assigns || end - at < maxFds)) end++;
    const part = { flags, index, start: set.start + at, count: end - at };
    messages.push({ set: part, fds: assigns ? eventfds.slice(at, end) : [] });
    at = end;
  }
  return messages;
}

function isFd(fd: Fd | undefined): boolean {
  return fd !== undefined && fd >= 0;
}
