import { spawn } from 'node:child_process';

/** How long taking a device away may last; the kernel itself waits for the device's last user without end. */
export const RELEASE_MS = 15_000;

/**
 * Writes a line from a process of its own. A write that the kernel lets sleep without end would hold this process too:
 * its event loop, or a thread that its exit waits for.
 */
export function writeElsewhere(text: string, path: string, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('sh', ['-c', 'printf "%s\\n" "$1" > "$2"', 'sh', text, path], { stdio: 'ignore' });
    const timer = setTimeout(() => {
      child.unref();
      reject(new Error(`'${path}': not done after ${timeoutMs} ms; an open descriptor or a mapping holds the device`));
    }, timeoutMs);
    child.on('error', reject);
    child.on('exit', (code) => {
      clearTimeout(timer);
      if (code === 0) resolve();
      else reject(new Error(`'${path}': the kernel refused '${text}'`));
    });
  });
}
