import fc from 'fast-check';

import { container, SLOTS } from './generate/arbitraries.js';
import { type ConfigCall, configCalls } from './generate/config-calls.js';
import { type DeviceCall, deviceCalls } from './generate/device-calls.js';
import { containerCalls, containerFiles, type GroupCall, groupCalls } from './generate/group-calls.js';
import { type IommufdCall, iommufdCalls } from './generate/iommufd-calls.js';

/**
 * A call of a random program on a kernel. A program names descriptors by slots, not by numbers, so that it means the
 * same on the real kernel and on the software core. A call on an empty slot is skipped on both.
 */
export type Call = GroupCall | DeviceCall | ConfigCall | IommufdCall;

/** The places where programs go. A program goes to one of them most of the time. */
export const TOPICS = ['groups', 'iommufd', 'compat', 'config'] as const;
export type Topic = (typeof TOPICS)[number];

/** How programs of a topic are made: what most of them begin with, and the calls that follow. */
interface Recipe {
  readonly weight: number;
  readonly prelude: readonly Call[];
  readonly call: fc.Arbitrary<Call>;
}

/** The first iommufd, in the place of a container. */
const COMPAT = SLOTS.containers;
const anyContainer = fc.oneof(
  { weight: 3, arbitrary: fc.constant(COMPAT) },
  { weight: 1, arbitrary: fc.nat(SLOTS.containers + SLOTS.iommufds - 1) },
);

/** Opens the device of the first group in a container. */
const ATTACHED: readonly Call[] = [
  { call: 'openContainer', container: 0 },
  { call: 'openGroup', group: 0, process: 0 },
  { call: 'setContainer', group: 0, container: 0 },
  { call: 'setIommu', container: 0, type: 3 },
  { call: 'getDeviceFd', group: 0, device: 0, name: 'own' },
];

/** Four pages at 0x10000 of the first IOAS. */
const MAPPED: Call = {
  call: 'mapIoas',
  on: 0,
  ioas: { of: 'ioas', index: 0 },
  flags: 7,
  page: 0,
  offset: 0,
  iova: 0x10000n,
  size: 0x4000n,
  vaddr: 'arena',
};

/** The calls that open files are frequent, so that programs get to the deep states. */
const RECIPES: Readonly<Record<Topic, Recipe>> = {
  groups: {
    weight: 2,
    prelude: ATTACHED,
    call: fc.oneof(
      { weight: 5, arbitrary: containerFiles },
      { weight: 23, arbitrary: containerCalls(container) },
      { weight: 21, arbitrary: groupCalls(container) },
      { weight: 20, arbitrary: deviceCalls },
    ),
  },
  iommufd: {
    weight: 2,
    prelude: [
      { call: 'openIommufd', iommufd: 0 },
      { call: 'openCdev', cdevOf: 0, cdev: 0 },
      { call: 'bindIommufd', cdev: 0, on: 0 },
      { call: 'allocIoas', on: 0 },
      { call: 'attach', cdev: 0, to: { of: 'ioas', index: 0 } },
      MAPPED,
    ],
    call: fc.oneof(
      { weight: 40, arbitrary: iommufdCalls },
      { weight: 4, arbitrary: groupCalls(anyContainer) },
      { weight: 1, arbitrary: containerFiles },
      { weight: 1, arbitrary: containerCalls(anyContainer) },
      { weight: 4, arbitrary: deviceCalls },
    ),
  },
  compat: {
    weight: 1,
    prelude: [
      { call: 'openIommufd', iommufd: 0 },
      { call: 'openGroup', group: 0, process: 0 },
      { call: 'setContainer', group: 0, container: COMPAT },
      { call: 'setIommu', container: COMPAT, type: 3 },
      { call: 'getDeviceFd', group: 0, device: 0, name: 'own' },
    ],
    call: fc.oneof(
      { weight: 20, arbitrary: containerCalls(anyContainer) },
      { weight: 12, arbitrary: groupCalls(anyContainer) },
      { weight: 1, arbitrary: containerFiles },
      { weight: 12, arbitrary: iommufdCalls },
      { weight: 3, arbitrary: deviceCalls },
    ),
  },
  config: {
    weight: 1,
    prelude: ATTACHED,
    call: fc.oneof(
      { weight: 20, arbitrary: configCalls },
      { weight: 6, arbitrary: deviceCalls },
      { weight: 1, arbitrary: groupCalls(container) },
    ),
  },
};

/** A transfer takes 100 ms on the real edu, so that few programs have one, as their last call. */
const dma = fc.oneof(
  { weight: 40, arbitrary: fc.constant<readonly Call[]>([]) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.nat(12), fc.boolean())
      .map(([iovaPage, toDevice]): readonly Call[] => [{ call: 'eduDma', device: 0, iovaPage, toDevice }]),
  },
);

/** Makes programs of at most `maxCalls` calls. @param topics where they go */
export function programs(maxCalls: number, topics: readonly Topic[]): fc.Arbitrary<readonly Call[]> {
  return fc.oneof(
    ...topics.map((topic) => {
      const { weight, prelude, call } = RECIPES[topic];
      const body = fc.array(call, { minLength: 1, maxLength: maxCalls - prelude.length - 1, size: 'max' });
      const program = fc
        .tuple(startOf(prelude), body, dma)
        .map(([first, middle, last]) => [...first, ...middle, ...last]);
      return { weight, arbitrary: program };
    }),
  );
}

/** Most programs begin with some calls of the prelude, so that they get to the interesting states. */
function startOf(prelude: readonly Call[]): fc.Arbitrary<readonly Call[]> {
  return fc.oneof(
    { weight: 2, arbitrary: fc.constant<readonly Call[]>([]) },
    { weight: 3, arbitrary: fc.nat(prelude.length).map((count) => prelude.slice(0, count)) },
    { weight: 3, arbitrary: fc.constant(prelude) },
  );
}
