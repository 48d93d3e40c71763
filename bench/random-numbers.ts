/** Gives a source of 32-bit numbers, the same for the same seed (xorshift). @param seed not 0 */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}
