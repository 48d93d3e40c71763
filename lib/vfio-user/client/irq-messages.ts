import type { Fd, IrqSet } from '../../kernel/kernel.js';
import { invalidArgument } from '../../base/errors.js';

/** One DEVICE_SET_IRQS message. */
export interface IrqMessage {
  readonly set: IrqSet;
  /** The eventfds that go with it. */
  readonly fds: readonly Fd[];
}

/**
 * Splits a DATA_EVENTFD set into messages: the protocol cannot leave out one descriptor of a list. A message either has a
 * descriptor for each of its vectors, at most `maxFds`, or none, which takes the vectors' eventfds away.
 * @throws ERR_INVALID_ARGUMENT if there are not `count` eventfds
 */
export function irqMessages(set: IrqSet, eventfds: readonly Fd[], maxFds: number): IrqMessage[] {
  if (eventfds.length !== set.count) {
    throw invalidArgument(`\`eventfds\` must have ${set.count} elements, one a vector. Received ${eventfds.length}`);
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
