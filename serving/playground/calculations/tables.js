/** Tables of pictures: their values, and the requests that fill them, some at a time. */

import { MAX_SEED } from "./noise.js";

/**
 * Numbers that a person typed: "4, 8, 16" or "1 to 9 by 2".
 *
 * @param {string} text numbers with commas, and ranges, both ends included.
 * @param {{name: string, dtype: string, minimum: ?number, maximum: ?number}} field of the signature.
 * @param {number} most how many numbers are allowed.
 * @returns {number[]} in the order given, without repetitions.
 * @throws {RangeError} with a sentence for the person.
 */
export function numbers(text, field, most) {
  const given = text.split(",").map((part) => part.trim()).filter(Boolean);
  const values = [...new Set(given.flatMap((part) => range(part, field.name, most)))];
  if (!values.length) throw new RangeError(`${field.name}: give numbers, such as ${example(field)}`);
  if (values.length > most) throw new RangeError(`${field.name}: ${values.length} numbers; at most ${most} are drawn`);
  for (const value of values) {
    if (field.dtype === "INT64" && !Number.isInteger(value)) {
      throw new RangeError(`${field.name}: ${value} is no whole number`);
    }
    if (value < (field.minimum ?? -Infinity) || value > (field.maximum ?? Infinity)) {
      throw new RangeError(`${field.name}: ${value} is not within ${limits(field)}`);
    }
  }
  return values;
}

/**
 * Seeds that a person typed: "7, 42" or "1 to 6".
 *
 * @param {string} text whole numbers with commas, and ranges, both ends included.
 * @param {number} most how many seeds are allowed.
 * @returns {string[]} decimal digits, because seeds go beyond 2**53; in the order given, without repetitions.
 * @throws {RangeError} with a sentence for the person.
 */
export function seeds(text, most) {
  const parts = text.split(",").map((part) => part.trim()).filter(Boolean);
  const found = new Set();
  for (const part of parts) {
    const match = /^(\d{1,19})(?:\s+to\s+(\d{1,19}))?$/.exec(part);
    const [first, last] = match ? [BigInt(match[1]), BigInt(match[2] ?? match[1])] : [0n, -1n];
    if (!match || last > MAX_SEED) throw new RangeError(`${part} is no seed: seeds are 0 to ${MAX_SEED}, or 1 to 6`);
    checkCount(part, last - first + 1n, most, "seeds");
    for (let seed = first; seed <= last; seed += 1n) found.add(String(seed));
  }
  if (!found.size) throw new RangeError("give seeds, such as 1 to 6");
  if (found.size > most) throw new RangeError(`these are ${found.size} seeds; at most ${most} are drawn`);
  return [...found];
}

/**
 * Some values spread over a field's range, as a first proposal.
 *
 * @param {{dtype: string, minimum: number, maximum: number}} field with both limits.
 * @param {number} count at least 2.
 * @returns {number[]} ascending, both limits included; whole where the field is, and then perhaps fewer.
 */
export function spread(field, count) {
  const { minimum, maximum } = field;
  const values = Array.from({ length: count }, (_, step) => minimum + ((maximum - minimum) * step) / (count - 1));
  if (field.dtype === "INT64") return [...new Set(values.map(Math.round))];
  return values.map((value) => Number(value.toPrecision(3)));
}

/**
 * Run tasks, some at a time and in order; the first failure stops the rest and is thrown.
 *
 * @param {((signal: AbortSignal) => Promise<void>)[]} tasks.
 * @param {number} atOnce how many may run together.
 * @param {AbortSignal} signal of the person who stops them; nothing is thrown then.
 */
export async function inTurn(tasks, atOnce, signal) {
  const failure = new AbortController();
  const either = AbortSignal.any([signal, failure.signal]);
  let next = 0;
  let first;
  const worker = async () => {
    while (next < tasks.length && !either.aborted) {
      const task = tasks[next];
      next += 1;
      try {
        await task(either);
      } catch (error) {
        first ??= either.aborted ? undefined : error;
        failure.abort();
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, tasks.length) }, worker));
  if (first && !signal.aborted) throw first;
}

function range(part, name, most) {
  const match = /^(\S+)\s+to\s+(\S+)(?:\s+by\s+(\S+))?$/.exec(part);
  const [first, last, step] = match ? [match[1], match[2], match[3] ?? "1"].map(Number) : [Number(part)];
  if (!Number.isFinite(first) || (match && !(Number.isFinite(last) && step > 0))) {
    throw new RangeError(`${name}: ${part} is neither a number nor a range such as 1 to 9 by 2`);
  }
  if (!match) return [first];
  const count = Math.floor((last - first) / step + 1e-9) + 1;
  checkCount(`${name}: ${part}`, count, most, "numbers");
  return Array.from({ length: count }, (_, index) => Number((first + index * step).toPrecision(12)));
}

function checkCount(range, count, most, what) {
  if (count < 1) throw new RangeError(`${range} begins with the larger one: turn it round`);
  if (count > most) throw new RangeError(`${range} has ${count} ${what}; at most ${most} are drawn`);
}

function limits(field) {
  if (field.minimum == null) return `at most ${field.maximum}`;
  return field.maximum == null ? `${field.minimum} and more` : `${field.minimum} to ${field.maximum}`;
}

function example(field) {
  if (field.minimum == null || field.maximum == null) return "1, 2, 4";
  return spread(field, 3).join(", ");
}
