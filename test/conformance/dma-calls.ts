import type { GroupCall, MapArguments, UnmapArguments } from './generate/group-calls.js';
import { containerOf, type Outcome, type ProgramRun, SKIPPED } from './program-run.js';
import { PAGE } from './world.js';

const U64 = 1n << 64n;

/** Performs VFIO_IOMMU_MAP_DMA or UNMAP_DMA, with the oddity that the program wants in its arguments. */
export async function callDma(
  run: ProgramRun,
  call: Extract<GroupCall, { call: 'mapDma' | 'unmapDma' }>,
): Promise<Outcome> {
  const container = containerOf(run, call.container);
  if (container === undefined) return SKIPPED;
  if (call.call === 'mapDma') {
    await run.world.kernel.mapDma(container, mapStructure(run, call));
    return { value: 0 };
  }
  return { value: await run.world.kernel.unmapDma(container, unmapStructure(call)) };
}

function mapStructure(run: ProgramRun, call: MapArguments) {
  const structure = {
    flags: call.flags,
    vaddr: run.world.addon.bufferAddress(run.memory, call.page * PAGE),
    iova: call.iova,
    size: BigInt(call.pages * PAGE),
  };
  switch (call.oddity) {
    case 'argsz':
      return { ...structure, argsz: 16 };
    case 'vaddr+1':
      return { ...structure, vaddr: structure.vaddr + 1n };
    case 'vaddr 0':
      return { ...structure, vaddr: 0n };
    case 'size 100':
      return { ...structure, size: 100n };
    case 'size 0':
      return { ...structure, size: 0n };
    case 'iova+0x800':
      return { ...structure, iova: (structure.iova + 0x800n) % U64 };
    case 'wrap':
      return { ...structure, vaddr: U64 - 4096n, size: 8192n };
    case 'none':
      return structure;
  }
}

function unmapStructure(call: UnmapArguments) {
  const structure = { flags: call.flags, iova: call.iova, size: BigInt(call.pages * PAGE) };
  switch (call.oddity) {
    case 'argsz':
      return { ...structure, argsz: 8 };
    case 'size 100':
      return { ...structure, size: 100n };
    case 'size 0':
      return { ...structure, size: 0n };
    case 'iova+0x800':
      return { ...structure, iova: (structure.iova + 0x800n) % U64 };
    case 'all':
      return { ...structure, iova: 0n, size: 0n, flags: 2 };
    case 'none':
      return structure;
  }
}
