import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { deserializeError, isSerializedError, type SerializedError, serializeError } from '../../lib/base/errors.js';
import type { Fd } from '../../lib/kernel/kernel.js';
import { linuxKernel } from '../../lib/kernel/linux/linux.js';
import type { OtherProcess } from './world.js';

type Request = { readonly open: string } | { readonly close: Fd };
type Answer = { readonly fd: Fd } | SerializedError;

/** A second process on the real kernel. It gets its calls by messages. */
export class ForkedProcess implements OtherProcess {
  private constructor(private readonly child: ChildProcess) {}

  static async start(): Promise<ForkedProcess> {
    const child = fork(fileURLToPath(import.meta.url), ['--child']);
    await once(child, 'spawn');
    return new ForkedProcess(child);
  }

  openGroup(name: string): Promise<Fd> {
    return this.ask({ open: name });
  }

  async close(fd: Fd): Promise<void> {
    await this.ask({ close: fd });
  }

  /** Ends the process, which closes its descriptors. */
  async stop(): Promise<void> {
    const ended = once(this.child, 'exit');
    this.child.disconnect();
    await ended;
  }

  private async ask(request: Request): Promise<Fd> {
    const answered = once(this.child, 'message', { signal: AbortSignal.timeout(10_000) }) as Promise<[Answer]>;
    this.child.send(request);
    const [answer] = await answered;
    if (isSerializedError(answer)) throw deserializeError(answer);
    return answer.fd;
  }
}

/** Serves requests in the child process. */
function serve(): void {
  const kernel = linuxKernel();
  const handle = async (request: Request): Promise<Answer> => {
    if ('open' in request) return { fd: await kernel.openGroup(request.open) };
    await kernel.close(request.close);
    return { fd: request.close };
  };
  process.on('message', (request: Request) => {
    handle(request)
      .catch((error: unknown) => serializeError(error))
      .then((answer) => process.send?.(answer))
      .catch((error: unknown) => {
        console.error(error);
        process.exit(1);
      });
  });
}

if (process.argv[2] === '--child') serve();
