import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A frame of the addon: by its namespace if the frame has a symbol, else by its file. */
const ADDON = /\bvfio_engine(::|\.node)/;
/** What a report begins with. A leak is one only if the addon allocated the memory. */
const ERROR = /ERROR: AddressSanitizer|runtime error:/;
const LEAK = /^(Direct|Indirect) leak of /;
/** The allocator, and the C++ library, which allocates for others. */
const ALLOCATOR = /asan_(new_delete|malloc_linux)|libstdc\+\+\.so/;
/** A frame of Node.js, which has no lines of source. */
const NODE = /\/node\+0x[0-9a-f]+\)/;
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
    const ours = stack.some((frame) => ADDON.test(frame)) && !NODE.test(allocatorOf(stack));
    return isError || ours ? [[`${file}: ${line}`, ...stack].join('\n')] : [];
  });
}

/** The frame that asked for the memory. Node.js allocates for calls of the addon, too, and keeps some of it for ever. */
function allocatorOf(stack: readonly string[]): string {
  return stack.find((frame) => frame.includes('#') && !ALLOCATOR.test(frame)) ?? '';
}

/** The lines after a report's first one, up to the next report. */
function stackFrom(lines: readonly string[], at: number): string[] {
  const rest = lines.slice(at + 1, at + MAX_LINES);
  const end = rest.findIndex((line) => ERROR.test(line) || LEAK.test(line) || line === '');
  return end < 0 ? rest : rest.slice(0, end);
}
