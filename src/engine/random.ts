// Random numbers that depend on a seed and a position alone (SplitMix64; Steele, Lea and Flood, 2014), so that a seeded
// text is the same whatever else the machine has drawn in between.

const mask = (1n << 64n) - 1n;

/** A number in [0, 1) for draw `position` of stream `seed`. */
export function uniform(seed: number, position: number): number {
  let z = (BigInt(seed) * 0x9e3779b97f4a7c15n + (BigInt(position) + 1n) * 0xd1342543de82ef95n) & mask;
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & mask;
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & mask;
  z ^= z >> 31n;
  return Number(z >> 11n) / 2 ** 53;
}
