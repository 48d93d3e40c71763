import { Option, type Command } from 'commander';

import type { Device } from '../device/device.js';
import type { Engine } from '../engine/engine.js';
import { Unwinding } from '../base/unwinding.js';

/** Options of every command that attaches devices. */
export interface AttachOptions {
  readonly backend: 'auto' | 'container' | 'iommufd';
}

/** Adds `--backend` to a command. */
export function addAttachOptions(command: Command): Command {
  const backends = ['auto', 'container', 'iommufd'];
  return command.addOption(new Option('--backend <name>', 'the way to attach').choices(backends).default('auto'));
}

/**
 * Makes an engine, lends it out and closes it. The first error is the one that is thrown.
 * The engine is loaded here and not at the top, so that help needs no addon.
 */
export async function withEngine<T>(workers: number | undefined, use: (engine: Engine) => Promise<T>): Promise<T> {
  const { Engine } = await import('../engine/engine.js');
  const engine = new Engine(workers === undefined ? {} : { pool: { workers } });
  return closing(use, engine, () => engine.close());
}

/** Attaches a device, lends it out and detaches it. */
export function withDevice<T>(
  name: string,
  { backend }: AttachOptions,
  use: (device: Device) => Promise<T>,
): Promise<T> {
  return withEngine(1, async (engine) => {
    const device = await engine.attach(name, { backend });
    return closing(use, device, () => device.detach());
  });
}

/** Uses something and closes it, whatever happens; an error of closing does not hide one of using. */
async function closing<A, T>(use: (subject: A) => Promise<T>, subject: A, close: () => Promise<void>): Promise<T> {
  const undo = new Unwinding();
  undo.push(close);
  let result: T;
  try {
    result = await use(subject);
  } catch (error) {
    throw await undo.failed(error);
  }
  await undo.runOrThrow();
  return result;
}
