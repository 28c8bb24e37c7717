/**
 * Seed -> Gaussian noise, by the arithmetic of signature/noise.py: the same seed starts the same picture here, in NumPy
 * and inside an exported graph. Integers are BigInt, because products reach 2**62.
 */

/** The largest seed; the smallest is 0. */
export const MAX_SEED = 2n ** 63n - 1n;

const PRIME = 2n ** 31n - 1n;
// First 31 bits of the fractional parts of sqrt(2), sqrt(3), sqrt(5), ...
const ROUND_CONSTANTS = [889516851n, 1572067138n, 506952121n, 1386740381n, 679946559n, 1300411462n];

/**
 * Standard normal noise of a seed, by the transform of Box and Muller (1958).
 *
 * @param {bigint|number|string} seed 0 to 2**63 - 1; a number beyond 2**53 must come as BigInt or as decimal digits.
 * @param {number} count how many values.
 * @returns {Float32Array} of length count; equal to the graph's to a few units in the last index.
 * @throws {RangeError} the seed is outside its range.
 */
export function gaussian(seed, count) {
  const number = BigInt(seed);
  if (number < 0n || number > MAX_SEED) {
    throw new RangeError(`a seed is 0 to ${MAX_SEED}; given was ${number}`);
  }
  const [first, second] = keys(number);
  const noise = new Float32Array(count + (count % 2));
  for (let index = 0; index < noise.length; index += 2) {
    const radius = Math.sqrt(Math.fround(Math.log(uniform(index, first, second))) * -2);
    const angle = Math.fround(uniform(index + 1, first, second) * Math.fround(2 * Math.PI));
    noise[index] = Math.fround(radius) * Math.fround(Math.cos(angle));
    noise[index + 1] = Math.fround(radius) * Math.fround(Math.sin(angle));
  }
  return noise.subarray(0, count);
}

/** A seed that nobody chose: 0 to 2**53 - 1, so that every JSON reader keeps all of its digits. */
export function randomSeed() {
  const [low, high] = crypto.getRandomValues(new Uint32Array(2));
  return (high % 2 ** 21) * 2 ** 32 + low;
}

function uniform(position, first, second) {
  return Math.fround(Number(permute(BigInt(position), first, second) + 1n)) * 2 ** -31;
}

function keys(seed) {
  const low = seed % PRIME;
  const rest = seed / PRIME;
  const middle = rest % PRIME;
  const high = rest / PRIME;
  const first = permute(low, middle, high);
  return [first, permute(middle, first, high)];
}

function permute(start, key, tweak) {
  let value = start;
  ROUND_CONSTANTS.forEach((constant, round) => {
    value = (value + (round % 2 ? tweak : key) + constant) % PRIME;
    const square = (value * value) % PRIME;
    value = (((square * square) % PRIME) * value) % PRIME;
  });
  return value;
}
