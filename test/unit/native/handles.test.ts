import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { addon } from '../../../lib/native/addon.js';

/** More than the handles of earlier versions lasted: 32,767 for regions, 8,191 for lanes and buffers. */
const REGIONS = 33_000;
const OTHERS = 9000;
/** More than an index of a lane's regions has generations. */
const GENERATIONS = 70_000;
const READ_WRITE = 3;

const top = fileURLToPath(new URL('../../../../', import.meta.url));

/** Opens and closes an object again and again. @returns the handles */
function openAgainAndAgain(openings: number, open: () => number, close: (handle: number) => void): Set<number> {
  const handles = new Set<number>();
  for (let opening = 0; opening < openings; opening++) {
    const handle = open();
    handles.add(handle);
    close(handle);
  }
  return handles;
}

describe('handles of the addon', function () {
  this.timeout(60_000);

  it('of regions never name another region', () => {
    const fd = addon.memfdCreate('handles', 4096n, 0);
    const open = (): number => addon.regionCreate(4096, READ_WRITE, fd, 0, 0n, 0, []);
    const handles = openAgainAndAgain(REGIONS, open, (handle) => void addon.regionClose(handle));
    assert.equal(handles.size, REGIONS);
    const living = open();
    for (const handle of [...handles].slice(0, 100))
      assert.throws(() => addon.regionRead32(handle, 0), { code: 'EBADF' });
    assert.equal(addon.regionRead32(living, 0), 0);
    void addon.regionClose(living);
    addon.closeFdSync(fd);
  });

  it('of lanes never name another lane', () => {
    const lanes = openAgainAndAgain(
      OTHERS,
      () => addon.laneCreate(2),
      (lane) => addon.laneClose(lane),
    );
    const [first] = lanes;
    const lane = addon.laneCreate(2);
    assert.equal(lanes.size, OTHERS);
    assert.throws(() => addon.laneView(first!), { code: 'EBADF' });
    assert.throws(() => addon.laneClose(first!), { code: 'EBADF' });
    addon.laneClose(lane);
  });

  it('of regions and buffers of a lane never name another one', () => {
    const lane = addon.laneCreate(2);
    const buffer = new SharedArrayBuffer(8);
    const regions = openAgainAndAgain(
      GENERATIONS,
      () => addon.reachAddRegion(lane, 1),
      (number) => addon.reachRemoveRegion(lane, number),
    );
    assert.equal(regions.size, GENERATIONS);
    assert.ok([...regions].every((number) => number > 0 && number < 2 ** 32));
    const buffers = openAgainAndAgain(
      OTHERS,
      () => addon.reachAddBuffer(lane, buffer),
      (number) => addon.reachRemoveBuffer(lane, number),
    );
    assert.equal(buffers.size, OTHERS);
    addon.laneClose(lane);
  });

  it('last for more than 2^40 uses, and are then used up', () => {
    const folder = mkdtempSync(join(tmpdir(), 'handles-'));
    const program = join(folder, 'handle-numbers');
    const source = join(top, 'test', 'support', 'handle-numbers.cc');
    const compiled = spawnSync('cc', ['-std=c++17', '-I', join(top, 'native'), '-o', program, source, '-lstdc++']);
    assert.equal(compiled.status, 0, String(compiled.stderr));
    const checked = spawnSync(program);
    assert.equal(checked.status, 0, String(checked.stdout));
    rmSync(folder, { recursive: true });
  });
});
