import { channel } from 'node:diagnostics_channel';
import { emitWarning } from 'node:process';

/** What `vfio-engine:kernel-warning` carries: what the real kernel writes into its log. */
export interface KernelWarning {
  readonly device: string;
  readonly message: string;
}

const warningChannel = channel('vfio-engine:kernel-warning');
const told = new Set<string>();

/** Warns of what takes protection away: on the channel each time, on the process's standard error once a device. */
export function warn(device: string, message: string): void {
  const warning: KernelWarning = { device, message };
  warningChannel.publish(warning);
  const text = `${device}: ${message}`;
  if (told.has(text)) return;
  told.add(text);
  emitWarning(text, 'VfioWarning');
}
