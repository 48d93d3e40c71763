/** A target in TypeScript: a module of `targets/`. */
export interface ScriptTarget {
  /** Runs one input. Throws if a property does not hold. */
  readonly fuzz: (input: Uint8Array) => void | Promise<void>;
  /** Inputs to begin with: those that a fuzzer would find late. */
  readonly seeds: readonly Uint8Array[];
}

/** The targets in C++, each with the files of `native/` that it is made of. */
export const nativeTargets = {
  lane: { sources: ['lane.cc', 'lane_model.cc', 'lane_world.cc'], maxLength: 1300 },
  reader: { sources: ['reader.cc'], maxLength: 1024 },
  connection: { sources: ['connection.cc', 'forged_server.cc'], maxLength: 600 },
} as const;

/** The targets in TypeScript, each with the folders whose branches count as its coverage. */
export const scriptTargets = {
  protocol: { instrument: ['lib/vfio-user/protocol/'], maxLength: 512 },
  server: { instrument: ['lib/vfio-user/', 'lib/models/pci-function/'], maxLength: 1024 },
  client: { instrument: ['lib/vfio-user/client/', 'lib/vfio-user/protocol/'], maxLength: 512 },
  capabilities: {
    instrument: ['lib/kernel/linux/parse-infos.js', 'lib/config-space/', 'lib/region/plan.js'],
    maxLength: 4096,
  },
} as const;

export type NativeTargetName = keyof typeof nativeTargets;
export type ScriptTargetName = keyof typeof scriptTargets;

export function isNativeTarget(name: string): name is NativeTargetName {
  return Object.hasOwn(nativeTargets, name);
}

export function isScriptTarget(name: string): name is ScriptTargetName {
  return Object.hasOwn(scriptTargets, name);
}
