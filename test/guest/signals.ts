/**
 * Makes a signal that is aborted by the first Ctrl-C, SIGTERM or SIGHUP, with the signal's name as its reason: who waits
 * for QEMU ends it and then this process. Thread: main.
 */
export function stopOnSignals(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, () => controller.abort(name));
  return controller.signal;
}
