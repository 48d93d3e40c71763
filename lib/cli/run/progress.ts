import type { Tally } from './report.js';

const PERIOD_MS = 200;

/**
 * Shows the tally on one line of a terminal during the run. Shows nothing if the stream is not a terminal that can erase a line.
 * @param terminal the kind of terminal: terminfo's name
 * @returns a function that stops it and clears the line
 */
export function showProgress(
  tally: Readonly<Tally>,
  stream: NodeJS.WriteStream,
  terminal = process.env['TERM'],
): () => void {
  if (!stream.isTTY || terminal === 'dumb') return () => undefined;
  const draw = (): void => {
    const line =
      `mapped ${short(tally.mapped)}  trapped ${short(tally.trapped)}  DMA ${short(tally.dmaBytes)}B  ` +
      `interrupts ${tally.interruptsReceived}/${tally.interruptsRaised}  errors ${tally.errors}`;
    stream.write(`\r\x1b[K${line.slice(0, stream.columns - 1)}`);
  };
  const timer = setInterval(draw, PERIOD_MS);
  return () => {
    clearInterval(timer);
    stream.write('\r\x1b[K');
  };
}

/** Formats 1234567 as 1.2 M. */
function short(count: number): string {
  const [divisor, unit] = count >= 1e9 ? [1e9, 'G'] : count >= 1e6 ? [1e6, 'M'] : count >= 1e3 ? [1e3, 'k'] : [1, ''];
  return divisor === 1 ? `${count} ` : `${(count / divisor).toFixed(1)} ${unit}`;
}
