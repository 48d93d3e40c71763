import { addon } from '../native/addon.js';
import type { BufferHandle } from '../native/lane.js';

const handles = new WeakMap<SharedArrayBuffer, BufferHandle>();
/** A buffer that nobody holds any more is let go by the addon as well. */
const registry = new FinalizationRegistry<BufferHandle>((handle) => addon.bufferClose(handle));

/** Gives the handle by which workers reach a buffer; the first call registers it. */
export function bufferHandle(buffer: SharedArrayBuffer): BufferHandle {
  const known = handles.get(buffer);
  if (known !== undefined) return known;
  const handle = addon.bufferRegister(buffer);
  handles.set(buffer, handle);
  registry.register(buffer, handle);
  return handle;
}
