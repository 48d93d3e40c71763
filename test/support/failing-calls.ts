import { openSync, readSync, writeSync, writeFileSync } from 'node:fs';

/** What is made to fail: descriptors, mappings and threads; or what C++ allocates. */
export type FailingKind = 'resources' | 'allocations';

/** Makes the n-th resource or allocation of this process fail. It needs fail-calls.cc in LD_PRELOAD. */
export class FailingCalls {
  readonly #file = openSync(process.env['FAIL_CALLS'] ?? '', 'r+');

  /** Writes the file that `FAIL_CALLS` names, before the process starts. */
  static prepare(path: string): void {
    const control = Buffer.alloc(4096);
    control.writeInt32LE(-1, 0);
    writeFileSync(path, control);
  }

  /** Lets a call fail. @param left how many calls of the kind succeed before @param errno positive */
  arm(kind: FailingKind, left: number, errno: number): void {
    const control = Buffer.alloc(64);
    control.writeInt32LE(errno, 4);
    control.writeInt32LE(kind === 'resources' ? 0 : 1, 8);
    writeSync(this.#file, control, 4, 60, 4);
    control.writeInt32LE(left, 0);
    writeSync(this.#file, control, 0, 4, 0);
  }

  /** Lets all calls succeed. @returns the name of the call that failed since `arm`, empty if none did */
  disarm(): string {
    const control = Buffer.alloc(64);
    control.writeInt32LE(-1, 0);
    writeSync(this.#file, control, 0, 4, 0);
    readSync(this.#file, control, 0, 64, 0);
    return control.toString('latin1', 12).replace(/\0.*$/s, '');
  }
}
