import { channel } from 'node:diagnostics_channel';
import { emitWarning } from 'node:process';

/** A message of the channel `vfio-engine:kernel-warning`: a warning that the real kernel writes into its log. */
export interface KernelWarning {
  /** The device's name, for example `f000:00:04.0`. */
  readonly device: string;
  /** The warning, without the device's name. */
  readonly message: string;
}

const kernelWarningChannel = channel('vfio-engine:kernel-warning');
const emitted = new Set<string>();

/**
 * Warns that a device is used with less protection. Publishes every warning on `vfio-engine:kernel-warning`, and emits
 * each text once as a process warning of the type `VfioWarning`.
 */
export function logKernelWarning(device: string, message: string): void {
  const warning: KernelWarning = { device, message };
  kernelWarningChannel.publish(warning);
  const line = `${device}: ${message}`;
  if (emitted.has(line)) return;
  emitted.add(line);
  emitWarning(line, 'VfioWarning');
}
