import type { PciModel } from '../pci-model.js';

/** The static facts of a model: the members of `PciModel` that can be sent to another thread. */
export type ModelDescription = Omit<PciModel, 'create' | 'rom'> & {
  /** Bytes of the ROM image; 0 if the model has no ROM. */
  readonly romLength: number;
};

/** Extracts the description of a model. */
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
