/**
 * How two pictures differ. Pixels are RGBA, four bytes each, as a canvas gives them; alpha takes no part, and grey
 * pictures have three equal channels, so that all figures are those of parity/metrics.py.
 */

/** Stands for the infinite PSNR of identical pictures, as in parity/metrics.py. */
export const IDENTICAL_PSNR_DB = 100;

/** What one seed promises at FP32: the largest difference in grey levels, and the least share of identical pixels. */
export const SAME_PICTURE = { levels: 1, share: 0.999 };

/**
 * The picture of an amplified difference.
 *
 * @param {Uint8ClampedArray} first, second RGBA of two pictures of one size.
 * @param {number} amplification what each absolute difference is multiplied by.
 * @returns {Uint8ClampedArray} RGBA, opaque; black where both are the same.
 */
export function difference(first, second, amplification) {
  checkSizes(first, second);
  const result = new Uint8ClampedArray(first.length);
  for (let index = 0; index < first.length; index += 1) {
    result[index] = index % 4 === 3 ? 255 : Math.abs(first[index] - second[index]) * amplification;
  }
  return result;
}

/**
 * How far two pictures agree.
 *
 * @param {Uint8ClampedArray} first, second RGBA of two pictures of one size.
 * @returns {{psnr: number, largest: number, mean: number, identical: number, same: boolean}} PSNR in decibels, largest
 *   and mean difference in grey levels, share of pixels that are identical in every channel, and whether both are the
 *   same picture by the determinism contract.
 */
export function agreement(first, second) {
  checkSizes(first, second);
  let [squares, sum, largest, identical] = [0, 0, 0, 0];
  for (let index = 0; index < first.length; index += 4) {
    let most = 0;
    for (let channel = index; channel < index + 3; channel += 1) {
      const apart = Math.abs(first[channel] - second[channel]);
      squares += apart * apart;
      sum += apart;
      most = Math.max(most, apart);
    }
    largest = Math.max(largest, most);
    identical += most === 0 ? 1 : 0;
  }
  const values = (first.length / 4) * 3;
  const psnr = Math.min(IDENTICAL_PSNR_DB, 10 * Math.log10(255 ** 2 / (squares / values)));
  const share = identical / (first.length / 4);
  const same = largest <= SAME_PICTURE.levels && share >= SAME_PICTURE.share;
  return { psnr, largest, mean: sum / values, identical: share, same };
}

function checkSizes(first, second) {
  if (first.length !== second.length || first.length === 0 || first.length % 4 !== 0) {
    throw new RangeError(`pictures of ${first.length / 4} and ${second.length / 4} pixels; both must have one size`);
  }
}
