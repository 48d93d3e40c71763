import { systemErrorOf } from './errors.js';

/** How often the import of a module has failed, by its URL. */
const failures = new Map<string, number>();

/**
 * Imports a module of the user. A call after a failure reads the module again: Node.js 20 remembers for ever that it could
 * not read the file of a URL, so that the fragment of the URL changes.
 * @throws a VfioError if a system call failed, such as EMFILE; any other error of the module as it is
 */
export async function importModule(url: string): Promise<{ readonly default?: unknown }> {
  const failed = failures.get(url) ?? 0;
  const fragment = `${url.includes('#') ? '&' : '#'}retry=${failed}`;
  try {
    return (await import(failed === 0 ? url : url + fragment)) as { readonly default?: unknown };
  } catch (error) {
    failures.set(url, failed + 1);
    throw systemErrorOf(error);
  }
}
