/**
 * The layout of a lane: a ring of operations between one producer thread and one I/O worker, in shared memory.
 * The addon has the same numbers in native/lane/layout.h. A unit test compares them.
 *
 * | offset | bytes | name      | unit             | writer   | reader   |
 * |--------|-------|-----------|------------------|----------|----------|
 * | 0      | 4     | capacity  | slots            | creator  | producer |
 * | 64     | 4     | produced  | slots ever, u32  | producer | worker   |
 * | 68     | 4     | waiting   | 0 or 1           | producer | worker   |
 * | 72     | 4     | notify    | 0 or 1           | both     | both     |
 * | 128    | 4     | claimed   | slots ever, u32  | worker   | recovery |
 * | 192    | 4     | completed | slots ever, u32  | worker   | producer |
 * | 256    | 64 x  | slots     | see slot.ts      | both     | both     |
 *
 * Publish (producer): 1. write slot `produced % capacity`; 2. store `produced + 1` (Atomics); 3. load the worker's
 * `sleeping` word, and wake the worker if it is set.
 * Consume (worker): 1. load `produced`; 2. store `claimed + 1`; 3. copy the slot, check the copy, run it; 4. write the
 * slot's value and status; 5. store `completed + 1`; 6. if `waiting` is set, wake the futex on `completed`; if `notify` is
 * set, clear it and signal the producer's event loop.
 * Learn of a completion (producer): set `notify`, then load `completed` once more. Either the producer sees the completion,
 * or the worker sees `notify`.
 *
 * Crash rule: slots before `completed` are answered. If a worker dies, the slot that it claimed and did not complete may
 * have reached the device: it is answered with EOWNERDEAD and never runs again. The worker touched no later slot, so the
 * next thread runs them. If a producer dies, nobody waits for its slots.
 */
export const LANE = {
  produced: 64,
  waiting: 68,
  notify: 72,
  claimed: 128,
  completed: 192,
  slotsOffset: 256,
} as const;

/**
 * The control block of an I/O worker, in shared memory.
 *
 * | offset | bytes | name     | unit                                            | writer   | reader   |
 * |--------|-------|----------|-------------------------------------------------|----------|----------|
 * | 0      | 4     | doorbell | wake-ups ever, u32                              | both     | worker   |
 * | 4      | 4     | sleeping | 0 or 1                                          | worker   | producer |
 * | 8      | 4     | spin     | how long it looks for work now, in microseconds | worker   | the pool |
 */
export const WORKER = { sleeping: 4, spin: 8 } as const;
