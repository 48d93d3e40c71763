import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const ADDON = 'vfio_engine.node';
/** What a report begins with. A leak is one only if the addon allocated the memory. */
const ERROR = /ERROR: AddressSanitizer|runtime error:/;
const LEAK = /^(Direct|Indirect) leak of /;
const MAX_LINES = 30;

/**
 * Reads the logs of the sanitizers, and of the runs, to which UBSan writes.
 * @returns the errors of every process, and the leaks of memory that the addon allocated. Node.js and compilers leak
 * memory at their end on purpose: V8's pages, for example, are not reachable from anything that LeakSanitizer looks at.
 */
export function readReports(folder: string): string[] {
  return readdirSync(folder).flatMap((file) => reportsOf(file, readFileSync(join(folder, file), 'utf8').split('\n')));
}

function reportsOf(file: string, lines: readonly string[]): string[] {
  return lines.flatMap((line, at) => {
    const isError = ERROR.test(line);
    if (!isError && !LEAK.test(line)) return [];
    const stack = stackFrom(lines, at);
    const ours = stack.some((frame) => frame.includes(ADDON) || frame.includes('/native/'));
    return isError || ours ? [[`${file}: ${line}`, ...stack].join('\n')] : [];
  });
}

/** The lines after a report's first one, up to the next report. */
function stackFrom(lines: readonly string[], at: number): string[] {
  const rest = lines.slice(at + 1, at + MAX_LINES);
  const end = rest.findIndex((line) => ERROR.test(line) || LEAK.test(line) || line === '');
  return end < 0 ? rest : rest.slice(0, end);
}
