import assert from 'node:assert/strict';

import { VfioError } from '../../../lib/base/errors.js';
import { Scenario, type World } from './scenario.js';

/** One row of the reference: a call, the state it is made in, and the real kernel's answer. */
export interface Row {
  readonly call: string;
  readonly state: string;
  readonly answer: string;
  /** Brings about the state, makes the call and says what came back. Absent where the row cannot apply. */
  readonly run?: (scenario: Scenario) => Promise<string> | string;
  /** Why the row cannot apply. */
  readonly reason?: string;
}

/** A row that the software core has to answer. */
export function row(call: string, state: string, answer: string, run: NonNullable<Row['run']>): Row {
  return { call, state, answer, run };
}

/** A row that cannot apply, with the reason; the report shows it as pending. */
export function leftOut(call: string, state: string, answer: string, reason: string): Row {
  return { call, state, answer, reason };
}

/**
 * Runs a section of the reference against the software core, each row in a process of its own. After the last one no
 * container and no descriptor may be left.
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
      assert.equal(world.machine.containerCount, 0, 'containers that nobody released');
      assert.equal(world.machine.descriptorNumbers.count, 0, 'descriptors that nobody closed');
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

/** Gives a refusal as the reference writes it. */
export async function answerOf(body: () => Promise<string> | string): Promise<string> {
  try {
    return await body();
  } catch (error) {
    if (error instanceof VfioError && error.errno !== undefined) return `-1 ${error.code}`;
    throw error;
  }
}

/** What a body answers for a descriptor, whose number the reference gives as it was on that day. */
const A_FD = 'a descriptor';

/** Compares with the reference: descriptors by being one, remarks in brackets and times not at all. */
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

/** Writes a number as the reference does. */
export function hex(value: number | bigint): string {
  return value === 0 || value === 0n ? '0' : `0x${value.toString(16)}`;
}

/** Writes what a read of up to 8 bytes returned: the count, and the value in little endian. */
export function readAnswer(bytes: Uint8Array): string {
  const value = bytes.reduceRight((high, byte) => (high << 8n) | BigInt(byte), 0n);
  return `${bytes.length}, value ${hex(value)}`;
}
