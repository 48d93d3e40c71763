import type { Session } from './session.js';
import { noteDuplicated, noteLost } from './tally.js';

/** The interrupts that have arrived, and the faults that there were before. */
export interface Received {
  readonly handler: (vector: number, count: number) => void;
  readonly count: number;
  /** How many interrupts of the device the plan had lost and doubled before. */
  readonly before: { readonly lost: number; readonly doubled: number };
}

/** Counts the interrupts of a vector that is enabled now. */
export function receiver(session: Session): Received {
  let count = 0;
  return {
    handler: (_, more) => void (count += more),
    get count() {
      return count;
    },
    before: injectedInto(session),
  };
}

/** Compares the interrupts that arrived with those that the device has sent. */
export function checkInterrupts(session: Session, { count, before }: Received, sent: number): void {
  const now = injectedInto(session);
  const expected = sent - (now.lost - before.lost) + (now.doubled - before.doubled);
  const facts = `interrupts of ${session.name}: ${sent} sent, ${expected} expected, ${count} received`;
  noteLost(session.tally, expected - count, facts);
  noteDuplicated(session.tally, count - expected, facts);
  session.tally.interrupts += count;
  session.tally.operations += count;
}

function injectedInto({ faults }: Session): { lost: number; doubled: number } {
  const countOf = (kind: string): number => faults.filter((fault) => fault.kind === kind).length;
  return { lost: countOf('irq-lost'), doubled: countOf('irq-doubled') };
}
