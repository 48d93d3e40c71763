import type { BarLayout, ModelInstance } from '../pci-model.js';
import { steps, type Area } from './access-steps.js';
import type { BarMemory } from './bar-memory.js';
import type { MsixTable } from './msix-table.js';
import { getValue, putValue } from './register-values.js';
import { mappedAreas } from './bar-layout.js';

/** The parts that answer accesses to a BAR. */
export interface BarParts {
  /** Returns the model's registers, which exist only after the BARs. */
  readonly instance: () => ModelInstance;
  /** The memory behind the mapped areas. */
  readonly memory: BarMemory | undefined;
  /** The MSI-X table and pending bits, if the device has MSI-X. */
  readonly table: MsixTable | undefined;
  /** Called after the MSI-X table was written. */
  readonly tableWritten: () => void;
}

/** One BAR. Splits each access and passes the steps to the model, to memory or to the MSI-X table. */
export class Bar {
  readonly #areas: readonly Area[];

  constructor(
    readonly layout: BarLayout,
    private readonly parts: BarParts,
  ) {
    const memory = mappedAreas(layout).map((area): Area => {
      return { start: area.offset, end: area.offset + area.size, kind: 'memory' };
    });
    const msix = (parts.table?.areas(layout.index) ?? []).map((area): Area => ({ ...area, kind: 'msix' }));
    this.#areas = [...memory, ...msix].sort((a, b) => a.start - b.start);
  }

  /** Reads bytes at an offset in the BAR. */
  read(offset: number, target: Uint8Array): void {
    const { memory, table } = this.parts;
    for (const step of steps(this.#areas, offset, target.length)) {
      const bytes = target.subarray(step.offset - offset, step.offset - offset + step.length);
      if (step.kind === 'register') putValue(bytes, this.#instance.read(this.layout.index, step.offset, step.length));
      else if (step.kind === 'msix') table?.read(this.layout.index, step.offset, bytes);
      else bytes.set(memory?.bytes.subarray(step.offset, step.offset + step.length) ?? []);
    }
  }

  /** Writes bytes at an offset in the BAR. */
  write(offset: number, source: Uint8Array): void {
    const { memory, table } = this.parts;
    for (const step of steps(this.#areas, offset, source.length)) {
      const bytes = source.subarray(step.offset - offset, step.offset - offset + step.length);
      if (step.kind === 'register') this.#instance.write(this.layout.index, step.offset, step.length, getValue(bytes));
      else if (step.kind === 'memory') memory?.bytes.set(bytes, step.offset);
      else {
        table?.write(this.layout.index, step.offset, bytes);
        this.parts.tableWritten();
      }
    }
  }

  get #instance(): ModelInstance {
    return this.parts.instance();
  }
}
