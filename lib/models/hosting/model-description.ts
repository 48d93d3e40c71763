import type { PciModel } from '../pci-model.js';

/** What a model says of itself, as data: all of `PciModel` that can cross a thread. */
export type ModelDescription = Omit<PciModel, 'create' | 'rom'> & {
  /** Bytes of the ROM image, 0 without one. */
  readonly romLength: number;
};

/** Takes the data out of a model. */
export function describeModel(model: PciModel): ModelDescription {
  const { name, identity, bars, interruptPin, msi, msix, resettable, express, rom } = model;
  return {
    name,
    identity,
    bars,
    resettable,
    romLength: rom?.length ?? 0,
    ...(interruptPin !== undefined && { interruptPin }),
    ...(msi !== undefined && { msi }),
    ...(msix !== undefined && { msix }),
    ...(express !== undefined && { express }),
  };
}
