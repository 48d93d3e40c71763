import assert from 'node:assert/strict';

import { VfioError } from '../../../lib/base/errors.js';
import { Scenario, type World } from './scenario.js';

/** A row of the reference: a call, the state in which it is made, and the answer of the real kernel. */
export interface Row {
  readonly call: string;
  readonly state: string;
  readonly answer: string;
  /** Brings about the state, makes the call and returns its answer. Absent if the row does not apply. */
  readonly run?: (scenario: Scenario) => Promise<string> | string;
  /** Why the row does not apply. */
  readonly reason?: string;
}

/** Makes a row that the software core must answer. */
export function row(call: string, state: string, answer: string, run: NonNullable<Row['run']>): Row {
  return { call, state, answer, run };
}

/** Makes a row that does not apply, with the reason. The test report shows it as pending. */
export function leftOut(call: string, state: string, answer: string, reason: string): Row {
  return { call, state, answer, reason };
}

/**
 * Runs a section of the reference on the software core, each row in its own process. After the last row, no container and
 * no descriptor may be left.
 */
export function table(section: string, createWorld: () => Promise<World>, rows: readonly Row[]): void {
  const encoded = rows.filter((one) => one.run !== undefined).length;
  describe(`kernel answers: ${section} (${encoded} rows encoded, ${rows.length - encoded} left out)`, () => {
    let world: World;
    before(async () => {
      world = await createWorld();
    });
    after(async () => {
      await world.machine.close();
      assert.equal(world.machine.containerCount, 0, 'containers that were not released');
      assert.equal(world.machine.descriptorNumbers.count, 0, 'descriptors that were not closed');
    });
    rows.forEach((one) => test(one, () => world));
  });
}

function test({ call, state, answer, run, reason }: Row, world: () => World): void {
  const title = `${call} | ${state} | ${answer}`;
  if (run === undefined) {
    it.skip(`${title} (left out: ${reason ?? 'no reason given'})`);
    return;
  }
  it(title, async () => {
    const scenario = new Scenario(world());
    try {
      const actual = await answerOf(() => run(scenario));
      assert.ok(agrees(answer, actual), `the kernel answers "${answer}", the software core "${actual}"`);
    } finally {
      await scenario.end();
    }
  });
}

/** Returns the answer of a call. A failure is written as in the reference: `-1 EBUSY`. */
export async function answerOf(body: () => Promise<string> | string): Promise<string> {
  try {
    return await body();
  } catch (error) {
    if (error instanceof VfioError && error.errno !== undefined) return `-1 ${error.code}`;
    throw error;
  }
}

/** The answer for a descriptor. The reference has the number that it happened to have. */
const A_FD = 'a descriptor';

/** Compares with the reference. The number of a descriptor, remarks in brackets and times are ignored. */
function agrees(expected: string, actual: string): boolean {
  const bare = expected.replace(/ \([^)]*\)/g, '').replace(/ after [\d.]+ ms$/, '');
  return actual === A_FD ? /^\d+$/.test(bare) : bare === actual;
}

/** Makes a call whose success is `0`. */
export async function zero(call: Promise<unknown>): Promise<string> {
  await call;
  return '0';
}

/** Makes a call whose success is a descriptor. */
export async function descriptor(call: Promise<number>): Promise<string> {
  await call;
  return A_FD;
}

/** Formats a number as the reference does. */
export function hex(value: number | bigint): string {
  return value === 0 || value === 0n ? '0' : `0x${value.toString(16)}`;
}

/** Formats the answer of a read of up to 8 bytes: the count, and the little-endian value. */
export function readAnswer(bytes: Uint8Array): string {
  const value = bytes.reduceRight((high, byte) => (high << 8n) | BigInt(byte), 0n);
  return `${bytes.length}, value ${hex(value)}`;
}
