import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../lib/cli/main.js', import.meta.url));
/** A command that hangs is killed after this long. */
const DEADLINE_MS = 60_000;

/** What a command left behind. */
export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command with arguments to its end. */
export function vfioEngine(...argv: string[]): Promise<CommandResult> {
  return run(process.execPath, [MAIN, ...argv]);
}

/** Runs a line of shell in which `$ENGINE` is the command, with pipefail. */
export function shell(line: string): Promise<CommandResult> {
  return run('bash', ['-o', 'pipefail', '-c', line], { ENGINE: `${process.execPath} ${MAIN}` });
}

function run(
  file: string,
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, argv, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    const timer = setTimeout(() => child.kill('SIGKILL'), DEADLINE_MS);
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ code, stdout, stderr });
    });
  });
}
