import { setTimeout as sleep } from 'node:timers/promises';

import type { Device } from '../../device/device.js';
import { VFIO_DEVICE_FLAGS_PCI } from '../../uapi/vfio.js';
import { runConfig } from './config-job.js';
import { runEdu } from './edu-job.js';
import { watchLoop } from './event-loop.js';
import type { JobContext } from './pump.js';
import { makeReport, type RunReport, type Tally } from './report.js';
import { runTestdev } from './testdev-job.js';
import { EDU_DEVICE_ID, EDU_VENDOR_ID } from '../../models/edu/registers.js';
import testdev from '../../models/testdev/testdev.js';

/** Settings of a run. */
export interface RunSettings {
  readonly seconds: number;
  readonly workers: number;
  readonly tally: Tally;
  /** Aborting it ends the run early. */
  readonly abort: AbortSignal;
  readonly onFailure: (error: unknown) => void;
}

/** The idle part of the time, in which the delay of the event loop is measured for comparison. */
const IDLE_SHARE = 0.25;

/** Works the attached devices for a time. @returns the report */
export async function runJob(devices: readonly Device[], settings: RunSettings): Promise<RunReport> {
  const { seconds, workers, tally, abort, onFailure } = settings;
  const idleSeconds = seconds * IDLE_SHARE;
  const stopIdle = watchLoop();
  await sleepUntil(idleSeconds, abort);
  const idle = stopIdle();
  const stop = stopAfter(seconds - idleSeconds, abort);
  const stopBusy = watchLoop();
  const started = performance.now();
  const context = { tally, stop, onFailure };
  await Promise.all(devices.map((device) => runDevice(device, context)));
  const worked = (performance.now() - started) / 1000;
  return makeReport(tally, {
    device: devices.map(({ name }) => name).join(','),
    backend: [...new Set(devices.map(({ backend }) => backend))].join(','),
    workers,
    seconds: worked,
    idle,
    busy: stopBusy(),
  });
}

async function runDevice(device: Device, context: JobContext): Promise<void> {
  if ((device.info.flags & VFIO_DEVICE_FLAGS_PCI) === 0) return;
  const { vendorId, deviceId } = await device.config.header();
  const is = (vendor: number, id: number): boolean => vendorId === vendor && deviceId === id;
  if (is(EDU_VENDOR_ID, EDU_DEVICE_ID)) return runEdu(device, context);
  if (is(testdev.identity.vendorId, testdev.identity.deviceId)) return runTestdev(device, context);
  return runConfig(device, context);
}

/** Does not use AbortSignal.timeout with AbortSignal.any: on Node.js 20 such a signal sometimes never fires. */
function stopAfter(seconds: number, abort: AbortSignal): AbortSignal {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), seconds * 1000);
  const early = (): void => {
    clearTimeout(timer);
    stop.abort();
  };
  if (abort.aborted) early();
  else abort.addEventListener('abort', early, { once: true });
  return stop.signal;
}

async function sleepUntil(seconds: number, abort: AbortSignal): Promise<void> {
  try {
    await sleep(seconds * 1000, undefined, { signal: abort });
  } catch (error) {
    if (!abort.aborted) throw error;
  }
}
