import { PCI_MSIX_ENTRY_CTRL_MASKBIT, PCI_MSIX_ENTRY_SIZE, PCI_MSIX_ENTRY_VECTOR_CTRL } from '../../uapi/pci.js';
import type { PciModel } from '../pci-model.js';

/**
 * The MSI-X table and its pending bits. All vectors start masked, as the PCI specification requires. A vector that gets an
 * eventfd is unmasked, as the kernel's request_irq does: most clients (QEMU among them) never write the table.
 */
export class MsixTable {
  readonly #table: Uint8Array;
  readonly #pending: Uint8Array;

  constructor(private readonly layout: NonNullable<PciModel['msix']>) {
    this.#table = new Uint8Array(layout.vectors * PCI_MSIX_ENTRY_SIZE);
    this.#pending = new Uint8Array(Math.ceil(layout.vectors / 64) * 8);
    this.reset();
  }

  /** Masks all vectors and clears the rest. */
  reset(): void {
    this.#table.fill(0);
    this.#pending.fill(0);
    for (let vector = 0; vector < this.layout.vectors; vector += 1) this.setMasked(vector, true);
  }

  /** Tells whether a vector is masked. */
  isMasked(vector: number): boolean {
    return ((this.#table[controlOf(vector)] ?? 0) & PCI_MSIX_ENTRY_CTRL_MASKBIT) !== 0;
  }

  /** Sets or clears the mask of a vector. */
  setMasked(vector: number, masked: boolean): void {
    this.#table[controlOf(vector)] = masked ? PCI_MSIX_ENTRY_CTRL_MASKBIT : 0;
  }

  /** Sets the pending bit of a vector. */
  setPending(vector: number): void {
    this.#pending[vector >> 3] = (this.#pending[vector >> 3] ?? 0) | (1 << (vector & 7));
  }

  /** Clears the pending bit of a vector. */
  clearPending(vector: number): void {
    this.#pending[vector >> 3] = (this.#pending[vector >> 3] ?? 0) & ~(1 << (vector & 7));
  }

  /** Lists the vectors that are pending and not masked. */
  deliverable(): number[] {
    const vectors = Array.from({ length: this.layout.vectors }, (_, vector) => vector);
    return vectors.filter((vector) => this.#isPending(vector) && !this.isMasked(vector));
  }

  /** Lists the areas of the table and the pending bits in a BAR. */
  areas(bar: number): { readonly start: number; readonly end: number }[] {
    return this.#places()
      .filter((place) => place.bar === bar)
      .map((place) => ({ start: place.offset, end: place.offset + place.bytes.length }));
  }

  /** Reads bytes of the table or the pending bits. */
  read(bar: number, offset: number, target: Uint8Array): void {
    for (const place of this.#places()) {
      if (!inside(place, bar, offset)) continue;
      target.set(place.bytes.subarray(offset - place.offset, offset - place.offset + target.length));
    }
  }

  /** Writes to the table. Only the mask bit of a control word is writable. The pending bits are read-only. */
  write(bar: number, offset: number, source: Uint8Array): void {
    const { table } = this.layout;
    if (!inside({ ...table, bytes: this.#table }, bar, offset)) return;
    source.forEach((value, i) => {
      const at = offset - table.offset + i;
      const within = at % PCI_MSIX_ENTRY_SIZE;
      const writable =
        within < PCI_MSIX_ENTRY_VECTOR_CTRL
          ? 0xff
          : within > PCI_MSIX_ENTRY_VECTOR_CTRL
            ? 0
            : PCI_MSIX_ENTRY_CTRL_MASKBIT;
      this.#table[at] = value & writable;
    });
  }

  #isPending(vector: number): boolean {
    return ((this.#pending[vector >> 3] ?? 0) & (1 << (vector & 7))) !== 0;
  }

  #places(): { bar: number; offset: number; bytes: Uint8Array }[] {
    return [
      { ...this.layout.table, bytes: this.#table },
      { ...this.layout.pba, bytes: this.#pending },
    ];
  }
}

function controlOf(vector: number): number {
  return vector * PCI_MSIX_ENTRY_SIZE + PCI_MSIX_ENTRY_VECTOR_CTRL;
}

function inside(place: { bar: number; offset: number; bytes: Uint8Array }, bar: number, offset: number): boolean {
  return place.bar === bar && offset >= place.offset && offset < place.offset + place.bytes.length;
}
