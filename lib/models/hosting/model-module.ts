import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

import { argumentError, requireObject } from '../../base/arguments.js';
import { invalidArgument } from '../../base/errors.js';
import { importModule } from '../../base/import-module.js';
import edu from '../edu/edu.js';
import type { PciModel } from '../pci-model.js';
import testdev from '../testdev/testdev.js';

/** Names a model and the options that its `create` receives. */
export interface ModelSpec {
  /** `edu`, `testdev`, or the URL or path of a module whose default export is a `PciModel`. A path contains a slash. */
  readonly model: string | URL;
  /** Passed to the model by structured clone. */
  readonly options?: unknown;
}

/** A model that is a part of this package. */
interface BuiltInModel {
  /** Its module, for the thread or process that hosts it. */
  readonly url: URL;
  readonly model: PciModel;
}

const BUILT_IN: ReadonlyMap<string, BuiltInModel> = new Map([
  ['edu', { url: new URL('../edu/edu.js', import.meta.url), model: edu }],
  ['testdev', { url: new URL('../testdev/testdev.js', import.meta.url), model: testdev }],
]);

/**
 * Finds the module of a model. Reads no file.
 * @returns a URL for `import()`
 * @throws ERR_INVALID_ARGUMENT if `spec` is not an object, or its `model` is neither built in nor a path nor a URL
 */
export function moduleUrlOf(spec: ModelSpec): string {
  requireObject('spec', spec);
  return modelUrl(spec.model);
}

/** Finds the module of a model by its name, path or URL. @throws ERR_INVALID_ARGUMENT if `model` is none of these */
export function modelUrl(model: string | URL): string {
  if (model instanceof URL) return model.href;
  if (typeof model !== 'string') throw noSuchModel(model);
  const builtIn = BUILT_IN.get(model);
  if (builtIn !== undefined) return builtIn.url.href;
  if (/^(file|data):/.test(model)) return model;
  if (model.includes('/')) return pathToFileURL(resolve(model)).href;
  throw noSuchModel(model);
}

/** Loads a model, for its description. @throws ERR_INVALID_ARGUMENT if the module has no `PciModel`; what importing it throws */
export async function loadModel(model: string | URL): Promise<PciModel> {
  const builtIn = typeof model === 'string' ? BUILT_IN.get(model) : undefined;
  if (builtIn !== undefined) return builtIn.model;
  const module = (await importModule(modelUrl(model))) as { readonly default?: PciModel };
  if (module.default?.identity !== undefined) return module.default;
  throw invalidArgument(`the module ${model.toString()} has no PciModel as its default export`);
}

function noSuchModel(model: unknown): Error {
  return argumentError('model', `${[...BUILT_IN.keys()].join(', ')}, or the path or URL of a module`, model);
}
