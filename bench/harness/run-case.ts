// The process of one case: `run-case.js NAME SETTINGS`. It sends one message, a CaseMeasurements, to its parent.
import type { CaseMeasurements, RunSettings } from './case.js';
import { loadCase } from './find-case.js';
import { measurementOf } from './measurement.js';

const [name = '', settings = ''] = process.argv.slice(2);
const { rounds, warmUpRounds, minTimeMs } = JSON.parse(settings) as RunSettings;

const benchCase = await loadCase(name);
const prepared = await benchCase.prepare();
const subject = measurementOf(prepared.subject, benchCase.unit, minTimeMs);
const baseline = measurementOf(prepared.baseline, benchCase.unit, minTimeMs);
try {
  for (let round = -warmUpRounds; round < rounds; round++) {
    // The sides alternate, and the first of a round too, so that a disturbance of the machine falls on both.
    const order = round % 2 === 0 ? [subject, baseline] : [baseline, subject];
    for (const side of order) await (round < 0 ? side.warmUp() : side.sample());
  }
} finally {
  await prepared.close();
}
const measured: CaseMeasurements = { subject: subject.result(), baseline: baseline.result() };
// Disconnect after the message is sent: a large one takes more than one write.
process.send?.(measured, () => process.disconnect());
