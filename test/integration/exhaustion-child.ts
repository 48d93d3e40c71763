/**
 * Brings something up while something runs out. `process.argv` names what runs out, and the subject; and every how manieth
 * count is tried. Prints the lines of `sweep`.
 */
import { sweep } from '../support/exhaustion.js';
import { SUBJECTS } from '../support/exhaustion-subjects.js';

const [, , what = '', name = '', step = '1'] = process.argv;

const { subject, end } = (await SUBJECTS[name]?.()) ?? process.exit(2);
await sweep(subject, what, Number(step));
await end();
