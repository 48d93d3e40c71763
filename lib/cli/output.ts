import Table from 'cli-table3';

/** Prints a line, or several, to standard output. */
export function print(line: string): void {
  process.stdout.write(`${printable(line)}\n`);
}

/**
 * Replaces control characters, and characters that reorder or hide others, by their escapes: a name of a device, or an argument,
 * must not command the terminal. Newlines stay. The escapes are those of JSON, so that a line of JSON keeps its meaning.
 */
export function printable(text: string): string {
  return text.replace(/[^\P{Cc}\n]|[\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, escaped);
}

/** As `printable`, and escapes newlines: text from elsewhere must not look like a line of ours. */
export function oneLine(text: string): string {
  return printable(text).replaceAll('\n', '\\n');
}

function escaped(character: string): string {
  const units = Array.from({ length: character.length }, (_, unit) => character.charCodeAt(unit));
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
}

/** Prints a value as one line of JSON. A bigint becomes a string with 0x, because JSON has no type for it. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value, (_key, item: unknown) => (typeof item === 'bigint' ? `0x${item.toString(16)}` : item)));
}

/** Prints a table without borders, so that other commands can process its lines. */
export function printTable(head: readonly string[], rows: readonly (readonly (string | number)[])[]): void {
  const table = new Table({
    head: [...head],
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2 },
    chars: NO_BORDERS,
  });
  for (const row of rows) table.push([...row]);
  print(table.toString().replace(/ +$/gm, ''));
}

const NO_BORDERS = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '',
};

/**
 * Ends the process when nothing can be written to standard output any more. If its reader closed it, as `head` does, the process
 * ends without a message. Another failure, such as a full disk, is one line. The kernel closes the attached devices when the
 * process ends.
 */
export function endWithOutput(): void {
  // Nothing can be told if this fails. The exit code stays.
  process.stderr.on('error', () => undefined);
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(process.exitCode ?? 0);
    process.stderr.write(`error: standard output cannot be written: ${oneLine(error.message)}\n`);
    process.exit(1);
  });
}
