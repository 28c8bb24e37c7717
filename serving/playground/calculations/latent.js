/** Ways through latent space: between the noise of seeds, and along directions. */

/** Below this angle, in radians, a straight line is as good as an arc, and dividing by its sine is not safe. */
const SMALLEST_ANGLE = 1e-4;

/**
 * A point between two latents, on the arc between their directions (Shoemake 1985); the length changes evenly.
 *
 * A straight line would pass nearer to the origin than any noise that the generator was trained on (White 2016).
 *
 * @param {ArrayLike<number>} from, to of one length.
 * @param {number} share 0 gives `from`, 1 gives `to`.
 * @returns {Float32Array}
 */
export function slerp(from, to, share) {
  if (from.length !== to.length) {
    throw new RangeError(`latents of ${from.length} and ${to.length} values; both must have the same number`);
  }
  if (share === 0 || share === 1) return Float32Array.from(share === 0 ? from : to);
  const [fromLength, toLength] = [length(from), length(to)];
  const cosine = dot(from, to) / (fromLength * toLength || 1);
  const angle = Math.acos(Math.min(1, Math.max(-1, cosine)));
  if (angle < SMALLEST_ANGLE || Math.PI - angle < SMALLEST_ANGLE || !fromLength || !toLength) {
    return Float32Array.from(from, (value, index) => value + (to[index] - value) * share);
  }
  const reach = fromLength + (toLength - fromLength) * share;
  const fromWeight = (Math.sin((1 - share) * angle) / Math.sin(angle)) * (reach / fromLength);
  const toWeight = (Math.sin(share * angle) / Math.sin(angle)) * (reach / toLength);
  return Float32Array.from(from, (value, index) => fromWeight * value + toWeight * to[index]);
}

/**
 * The frames of a walk through some latents.
 *
 * @param {ArrayLike<number>[]} anchors at least two latents of one length.
 * @param {number} steps from one anchor to the next, at least 1.
 * @param {boolean} closed whether the walk returns to its first anchor; that frame is not repeated.
 * @returns {{latent: Float32Array, from: number, to: number, share: number}[]} `from` and `to` are numbers of anchors.
 */
export function walk(anchors, steps, closed = false) {
  if (anchors.length < 2) throw new RangeError("a walk needs at least two anchors");
  if (!Number.isInteger(steps) || steps < 1) throw new RangeError("between two anchors there is at least one step");
  const legs = closed ? anchors.length : anchors.length - 1;
  const frames = [];
  for (let leg = 0; leg < legs; leg += 1) {
    const to = (leg + 1) % anchors.length;
    for (let step = 0; step < steps; step += 1) {
      const share = step / steps;
      frames.push({ latent: slerp(anchors[leg], anchors[to], share), from: leg, to, share });
    }
  }
  if (!closed) {
    const last = anchors.length - 1;
    frames.push({ latent: Float32Array.from(anchors[last]), from: last, to: last, share: 0 });
  }
  return frames;
}

/**
 * A latent moved along some directions.
 *
 * @param {ArrayLike<number>} latent where to start.
 * @param {ArrayLike<number>[]} directions each of the latent's length.
 * @param {number[]} amounts how many times each direction is added.
 * @returns {Float32Array}
 */
export function moved(latent, directions, amounts) {
  const result = Float32Array.from(latent);
  directions.forEach((direction, number) => {
    if (direction.length !== latent.length) {
      throw new RangeError(`direction ${number} has ${direction.length} values, the latent ${latent.length}`);
    }
    for (let index = 0; index < result.length; index += 1) result[index] += amounts[number] * direction[index];
  });
  return result;
}

/**
 * Numbers in the nesting of a field's shape, as a request's body has them.
 *
 * @param {ArrayLike<number>} values as many as the shape holds.
 * @param {number[]} shape of one picture's value.
 */
export function nested(values, shape) {
  if (shape.length <= 1) return Array.from(values);
  const size = values.length / shape[0];
  const row = (number) => Array.from(values).slice(number * size, (number + 1) * size);
  return Array.from({ length: shape[0] }, (_, number) => nested(row(number), shape.slice(1)));
}

/** How many values a field of a shape has. */
export function sizeOf(shape) {
  return shape.reduce((product, extent) => product * extent, 1);
}

/** The Euclidean length of a latent. */
export function length(latent) {
  return Math.sqrt(dot(latent, latent));
}

function dot(first, second) {
  let sum = 0;
  for (let index = 0; index < first.length; index += 1) sum += first[index] * second[index];
  return sum;
}
