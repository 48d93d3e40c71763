/**
 * A lane: a ring of operations between one producer thread and one I/O worker, in shared memory.
 * The addon has the same numbers in native/lane/layout.h; a unit test compares them.
 *
 * | offset | bytes | name      | unit             | writer   | reader   |
 * |--------|-------|-----------|------------------|----------|----------|
 * | 0      | 4     | capacity  | slots            | (made)   | producer |
 * | 64     | 4     | produced  | slots ever, u32  | producer | worker   |
 * | 68     | 4     | waiting   | 0 or 1           | producer | worker   |
 * | 72     | 4     | notify    | 0 or 1           | both     | both     |
 * | 128    | 4     | claimed   | slots ever, u32  | worker   | recovery |
 * | 192    | 4     | completed | slots ever, u32  | worker   | producer |
 * | 256    | 64 x  | slots     | see slot.ts      | both     | both     |
 *
 * Publish (producer): 1. write slot `produced % capacity`; 2. store `produced + 1` (Atomics); 3. load the worker's
 * `sleeping` word, and wake it when it is set.
 * Consume (worker): 1. load `produced`; 2. store `claimed + 1`; 3. copy the slot, check the copy, run it; 4. write the
 * slot's value and status; 5. store `completed + 1`; 6. when `waiting` is set wake the futex on `completed`, when
 * `notify` is set clear it and signal the producer's event loop.
 * Learn of completion (producer): set `notify`, then look at `completed` once more: one of the two sees the other.
 *
 * Crash rule: a slot below `completed` is answered. The one slot that is claimed and not completed when its worker died
 * may have reached the device: it is answered with EOWNERDEAD and never run again. The rest was not touched: the next
 * worker runs it. A producer that died leaves nothing that anybody waits for.
 */
export const LANE = {
  produced: 64,
  waiting: 68,
  notify: 72,
  claimed: 128,
  completed: 192,
  slotsOffset: 256,
} as const;

/** A worker's control block: 0 doorbell (both), 4 sleeping, 8 how long it looks for work now, microseconds (worker). All u32. */
export const WORKER = { sleeping: 4, spin: 8 } as const;
