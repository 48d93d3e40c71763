/** Returns the lowest number, from `first` on, that is not taken. Source: ida_alloc, xa_alloc */
export function lowestFree(taken: { has(number: number): boolean }, first = 0): number {
  let number = first;
  while (taken.has(number)) number += 1;
  return number;
}
