import { systemError, type VfioError } from '../errors.js';
import type { MappingRecord } from './mapping-table.js';

/** What a space tells of the devices that reach its mappings. */
export interface DeviceCounts {
  /** All of them. */
  readonly devices: number;
  /** Those whose memory the kernel does not pin as a whole: mediated ones pin what they are told to use. */
  readonly mediated: number;
}

interface Holding {
  readonly record: MappingRecord;
  readonly counts: () => DeviceCounts;
}

/** The mappings of this thread's spaces, by the buffer that they are of. */
const holdings = new WeakMap<object, Set<Holding>>();
/** Discards under way, by the buffer; none of them fails. */
const discards = new WeakMap<object, Set<Promise<void>>>();

/** Takes note that a record's buffers are mapped in a space. @returns what ends that */
export function holdBuffer(record: MappingRecord, counts: () => DeviceCounts): () => void {
  const holding = { record, counts };
  const sets = buffersOf(record.memory).map((buffer) => {
    const known = holdings.get(buffer) ?? new Set<Holding>();
    holdings.set(buffer, known);
    return known.add(holding);
  });
  return () => {
    for (const known of sets) known.delete(holding);
  };
}

/** Gives what resolves when no part of a record's memory is being discarded: only then may it be pinned. */
export function discardsOf({ memory }: MappingRecord): Promise<void> | undefined {
  const buffers = buffersOf(memory);
  return buffers.some((buffer) => discards.has(buffer)) ? endOfDiscards(buffers) : undefined;
}

/**
 * Discards memory unless a device could have it pinned: the device would go on with the old pages, which nobody else sees
 * any more. Memory that is unmapped before and mapped again after is discarded in accord with the devices.
 * Source: QEMU's ram_block_uncoordinated_discard_disable and vfio_ram_block_discard_disable
 * @param vouched whether the caller knows that the mediated devices have pinned none of it
 * @throws EBUSY
 */
export async function discardUnlessPinned(
  buffer: object,
  vouched: boolean,
  discard: () => Promise<void>,
): Promise<void> {
  for (const { record, counts } of holdings.get(buffer) ?? []) {
    if (record.targets.size > 0) refuseWhenPinned(counts(), vouched);
  }
  const discarding = discard();
  const under = discards.get(buffer) ?? new Set<Promise<void>>();
  discards.set(buffer, under);
  const ended = (): void => {
    under.delete(settled);
    if (under.size === 0) discards.delete(buffer);
  };
  // A failure is the caller's to see, who has the promise.
  const settled: Promise<void> = discarding.then(ended, ended);
  under.add(settled);
  await discarding;
}

function refuseWhenPinned({ devices, mediated }: DeviceCounts, vouched: boolean): void {
  if (devices === mediated && vouched) return;
  throw pinned(
    devices === mediated
      ? 'mediated devices may have pinned it: say `vouched: true` if they have not, or unmap it first'
      : `${devices - mediated} attached devices have it pinned: unmap it first, or detach them`,
  );
}

function pinned(hint: string): VfioError {
  return systemError('EBUSY', 'discard', { hint });
}

async function endOfDiscards(buffers: readonly object[]): Promise<void> {
  for (;;) {
    const under = buffers.flatMap((buffer) => [...(discards.get(buffer) ?? [])]);
    if (under.length === 0) return;
    await Promise.all(under);
  }
}

function buffersOf(memory: unknown): object[] {
  if (Array.isArray(memory)) return [...new Set(memory.flatMap(buffersOf))];
  if (ArrayBuffer.isView(memory)) return [memory.buffer];
  return typeof memory === 'object' && memory !== null ? [memory] : [];
}
