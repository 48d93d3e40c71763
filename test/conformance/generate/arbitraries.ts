import fc from 'fast-check';

/** How many descriptors of each kind a program can have open. */
export const SLOTS = { containers: 2, groups: 4, devices: 3, processes: 2, iommufds: 2 } as const;

/** Makes a slot: the first one most of the time, because the prelude fills it. @param last the highest slot */
export function mostlyFirst(last: number): fc.Arbitrary<number> {
  return fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(last) });
}

/** Makes records of the given arbitraries, with a weight. */
export function weighted<T extends object>(
  weight: number,
  model: { [K in keyof T]: fc.Arbitrary<T[K]> },
): fc.WeightedArbitrary<T> {
  return { weight, arbitrary: fc.record(model) as fc.Arbitrary<T> };
}

/** Makes `none` most of the time. */
export function usually<T extends string>(...odd: T[]): fc.Arbitrary<T | 'none'> {
  return fc.oneof(
    { weight: 5, arbitrary: fc.constant('none' as const) },
    { weight: 1, arbitrary: fc.constantFrom(...odd) },
  );
}

export const container = mostlyFirst(SLOTS.containers - 1);
export const group = mostlyFirst(SLOTS.groups - 1);
export const device = mostlyFirst(SLOTS.devices - 1);

/** Most of the time 0, which means the size of the structure. */
export const argsz = fc.oneof(
  { weight: 6, arbitrary: fc.constant(0) },
  { weight: 1, arbitrary: fc.constantFrom(4, 8, 16, 64) },
);
