import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';

import { VfioUserClient } from '../../lib/vfio-user/client/vfio-user-client.js';
import type { Version } from '../../lib/vfio-user/protocol/protocol.js';
import { type ScriptName, startServer } from './vfio-user-server.js';

/** Counts this process's descriptors. */
export const openFds = () => readdirSync('/proc/self/fd').length;

/** Runs `body` with a client of a scripted server. Afterwards no descriptor of either may be open. */
export async function withClient(
  script: ScriptName,
  body: (client: VfioUserClient) => Promise<void> | void,
  options: { timeoutMs?: number; version?: Partial<Version> } = {},
): Promise<void> {
  const before = openFds();
  const { socket, ended } = await startServer(script, options.version);
  const client = await VfioUserClient.connect(socket, { timeoutMs: options.timeoutMs ?? 5000 });
  try {
    await body(client);
  } finally {
    await client.close();
    await ended;
  }
  assert.equal(openFds(), before, 'descriptors left open');
}
