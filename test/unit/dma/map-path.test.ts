import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Session, type Profiler } from 'node:inspector';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import type { DmaTarget } from '../../../lib/backends/dma-target.js';
import { ContainerTarget } from '../../../lib/backends/container/container-target.js';
import { Ioas } from '../../../lib/backends/iommufd/ioas.js';
import { DmaSpace } from '../../../lib/dma/dma-space.js';
import { linuxKernel } from '../../../lib/kernel/linux/linux.js';
import { addon } from '../../../lib/native/addon.js';
import { allocateShared } from '../../support/allocate-shared.js';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const DIST = new URL('../../../', import.meta.url).href;
/** Nothing is opened: the addon's functions are replaced. */
const NO_FD = 1 << 20;

/** Of an IOMMU object that maps everything below 4 GiB. */
const LIMITS = {
  ranges: [{ start: 0n, last: 0xffff_ffffn }],
  reserved: [],
  pageSizes: 4096n,
  entriesLeft: undefined,
  entryLimit: undefined,
  dirtyPageSizes: 0n,
};

/** Reads the code spans of the lines of lib/dma/README.md that match. @returns the spans of each line */
function codeSpans(line: RegExp): string[][] {
  const readme = readFileSync(join(ROOT, 'lib/dma/README.md'), 'utf8');
  const section = /^### From `DmaSpace.map` to the ioctl$([\s\S]*?)^## /m.exec(readme)?.[1] ?? '';
  const lines = section.split('\n').flatMap((each) => line.exec(each)?.[1] ?? []);
  return lines.map((each) => [...each.matchAll(/`([^`]+)`/g)].map(([, span = '']) => span));
}

/** Finds the files of lib that run during some work. @returns their sources, sorted */
async function filesThatRun(work: () => Promise<unknown>): Promise<string[]> {
  const session = new Session();
  session.connect();
  const post = promisify(session.post.bind(session)) as (method: string, options?: object) => Promise<unknown>;
  try {
    await post('Profiler.enable');
    await post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
    // The counts begin anew.
    await post('Profiler.takePreciseCoverage');
    await work();
    const { result } = (await post('Profiler.takePreciseCoverage')) as Profiler.TakePreciseCoverageReturnType;
    return result
      .filter(({ url, functions }) => url.startsWith(`${DIST}lib/`) && functions.some(hasRun))
      .map(({ url }) => url.slice(DIST.length).replace(/\.js$/, '.ts'))
      .sort();
  } finally {
    await post('Profiler.stopPreciseCoverage');
    session.disconnect();
  }
}

function hasRun({ ranges }: Profiler.FunctionCoverage): boolean {
  return ranges.some(({ count }) => count > 0);
}

/** Maps a page a second time, by a target on the machine's own kernel. @returns the files that run */
async function filesOfMap(target: DmaTarget): Promise<string[]> {
  const space = new DmaSpace();
  await space.mappings.addTarget(target);
  const memory = allocateShared(8192);
  await space.map(new Uint8Array(memory, 0, 4096), { iova: 0x100000n });
  const files = await filesThatRun(() => space.map(new Uint8Array(memory, 4096, 4096)));
  await space.mappings.removeTarget(target);
  await space.unmapAll();
  return files;
}

describe('the path of a map that lib/dma/README.md lists', () => {
  const steps = codeSpans(/^\| \d+ +\|([^|]*)\|/);
  const container = steps.flatMap((files) => files.slice(0, 1));
  const iommufd = steps.flatMap((files) => files.slice(-1));
  const asked = codeSpans(/^- (`[^`]+`)/).flat();
  const kernel = linuxKernel();
  /** The addon, with its functions that are replaced. */
  const original = { ...addon };

  before(() => {
    addon.type1MapDma = () => undefined;
    addon.ioasMap = (_fd, _ioas, _flags, _vaddr, iova) => iova;
  });
  after(() => Object.assign(addon, original));

  it('has at most ten files, the last of which makes the system call', () => {
    for (const [path, call] of [
      [container, 'VFIO_IOMMU_MAP_DMA'],
      [iommufd, 'IOMMU_IOAS_MAP'],
    ] as const) {
      assert.ok(path.length > 5 && path.length <= 10, path.join(' '));
      assert.ok(readFileSync(join(ROOT, path.at(-1) ?? ''), 'utf8').includes(call), call);
    }
  });

  it('names every file that runs, by container', async () => {
    const target = new ContainerTarget(kernel, NO_FD, () => []);
    target.queryLimits = () => Promise.resolve(LIMITS);
    const expected = [...container.filter((path) => path.endsWith('.ts')), ...asked].sort();
    assert.deepEqual(await filesOfMap(target), expected);
  });

  it('names every file that runs, by iommufd', async () => {
    const opened = {
      ...kernel,
      openIommufd: () => Promise.resolve(NO_FD + 1),
      allocIoas: () => 1,
      getIovaRanges: () => ({ iovaAlignment: 4096n, ranges: LIMITS.ranges }),
    };
    const target = await Ioas.create(opened, new DmaSpace().mappings);
    const expected = [...iommufd.filter((path) => path.endsWith('.ts')), ...asked].sort();
    assert.deepEqual(await filesOfMap(target), expected);
  });
});
