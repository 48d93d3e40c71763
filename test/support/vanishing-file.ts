import { closeSync, ftruncateSync, openSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

let made = 0;

/** A file that stands for a BAR: while it is truncated, an access to its mapping faults, as one to an absent device does. */
export class VanishingFile {
  readonly fd: number;

  /** @param size bytes, of whole pages */
  constructor(readonly size: number) {
    const path = join(tmpdir(), `vfio-engine-vanishing-${process.pid}-${(made += 1)}`);
    this.fd = openSync(path, 'wx+');
    unlinkSync(path);
    ftruncateSync(this.fd, size);
  }

  vanish(): void {
    ftruncateSync(this.fd, 0);
  }

  /** It is there again, filled with zeroes. */
  comeBack(): void {
    ftruncateSync(this.fd, this.size);
  }

  close(): void {
    closeSync(this.fd);
  }
}
