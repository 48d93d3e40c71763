import { Option, type Command } from 'commander';

import { BACKEND_NAMES, type BackendName } from '../backends/backend.js';
import { Unwinding } from '../base/unwinding.js';
import type { Device } from '../device/device.js';
import type { Engine } from '../engine/engine.js';
import type { FaultPlan } from '../faults/fault-plan.js';

/** The option of every command that attaches devices. */
export interface BackendOption {
  readonly backend: 'auto' | BackendName;
}

/** Adds `--backend` to a command. */
export function addBackendOption(command: Command): Command {
  const backends = ['auto', ...BACKEND_NAMES];
  return command.addOption(
    new Option('--backend <name>', 'the backend that attaches the device').choices(backends).default('auto'),
  );
}

/**
 * Creates an engine, calls a function with it and closes it. The module is loaded here, so that --help does not load the
 * addon.
 * @param workers default: the default of the pool
 * @param faults injected into everything that the engine does
 * @throws the first error, the further ones as its cause
 */
export async function withEngine<T>(
  workers: number | undefined,
  use: (engine: Engine) => Promise<T>,
  faults?: FaultPlan,
): Promise<T> {
  const { Engine } = await import('../engine/engine.js');
  const pool = workers === undefined ? {} : { pool: { workers } };
  const engine = new Engine(faults === undefined ? pool : { ...pool, faults });
  return thenClose(use, engine, () => engine.close());
}

/** Attaches a device, calls a function with it and detaches it. @throws as `withEngine` */
export function withDevice<T>(
  name: string,
  { backend }: BackendOption,
  use: (device: Device) => Promise<T>,
): Promise<T> {
  return withEngine(1, async (engine) => {
    const device = await engine.attach(name, { backend });
    return thenClose(use, device, () => device.detach());
  });
}

/** Calls a function and then `close`, in any case. An error of `close` does not hide an error of the function. */
async function thenClose<A, T>(use: (subject: A) => Promise<T>, subject: A, close: () => Promise<void>): Promise<T> {
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
