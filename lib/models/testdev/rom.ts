const ROM_SIZE = 2048;
const PCIR_OFFSET = 0x1c;

/**
 * Builds an expansion ROM image: the signature, the PCI data structure, and a last byte that makes the sum of all of them
 * 0. It holds no code (code type 0xff).
 */
export function buildRom(vendorId: number, deviceId: number, classCode: number): Uint8Array {
  const rom = new Uint8Array(ROM_SIZE);
  const view = new DataView(rom.buffer);
  view.setUint16(0, 0xaa55, true);
  view.setUint8(2, ROM_SIZE / 512);
  view.setUint16(0x18, PCIR_OFFSET, true);
  rom.set(new TextEncoder().encode('PCIR'), PCIR_OFFSET);
  view.setUint16(PCIR_OFFSET + 0x04, vendorId, true);
  view.setUint16(PCIR_OFFSET + 0x06, deviceId, true);
  view.setUint16(PCIR_OFFSET + 0x0a, 0x18, true);
  view.setUint32(PCIR_OFFSET + 0x0c, (classCode << 8) >>> 0, true);
  view.setUint16(PCIR_OFFSET + 0x10, ROM_SIZE / 512, true);
  view.setUint8(PCIR_OFFSET + 0x14, 0xff);
  view.setUint8(PCIR_OFFSET + 0x15, 0x80);
  rom[ROM_SIZE - 1] = (0x100 - (rom.reduce((sum, byte) => sum + byte, 0) & 0xff)) & 0xff;
  return rom;
}
