/**
 * Makes an AbortSignal that the first SIGINT, SIGTERM or SIGHUP aborts, with the signal's name as the reason. The caller then
 * stops QEMU and exits. Thread: main.
 */
export function stopOnSignals(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, () => controller.abort(name));
  return controller.signal;
}
