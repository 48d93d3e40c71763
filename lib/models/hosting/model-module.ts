import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

import { argumentError, requireObject } from '../../base/arguments.js';

/** Names a model and the options that its `create` receives. */
export interface ModelSpec {
  /** `edu`, `testdev`, or the URL or path of a module whose default export is a `PciModel`. A path contains a slash. */
  readonly model: string | URL;
  /** Passed to the model by structured clone. */
  readonly options?: unknown;
}

const BUILT_IN: ReadonlyMap<string, URL> = new Map(
  ['edu', 'testdev'].map((name) => [name, new URL(`../${name}/${name}.js`, import.meta.url)]),
);

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
  if (builtIn !== undefined) return builtIn.href;
  if (/^(file|data):/.test(model)) return model;
  if (model.includes('/')) return pathToFileURL(resolve(model)).href;
  throw noSuchModel(model);
}

function noSuchModel(model: unknown): Error {
  return argumentError('model', `${[...BUILT_IN.keys()].join(', ')}, or the path or URL of a module`, model);
}
