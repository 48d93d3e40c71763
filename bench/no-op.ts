/** What `pool-roundtrip` has a thread of Piscina's do. */
export default function noOp(value: number): number {
  return value;
}
