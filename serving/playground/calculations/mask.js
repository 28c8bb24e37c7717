/** A hole in a picture, painted by a brush or given as a rectangle; without a canvas, so that it can be tested. */

/** Most states that can be taken back. */
const MOST_UNDO = 32;

export class Mask {
  /**
   * @param {number} width in pixels.
   * @param {number} height in pixels.
   */
  constructor(width, height) {
    this.width = width;
    this.height = height;
    /** One byte a pixel, row after row: 1 in the hole, else 0. */
    this.hole = new Uint8Array(width * height);
    this.earlier = [];
  }

  /** Remember the present state, so that `undo` returns to it: before each stroke, not before each of its points. */
  begin() {
    this.earlier.push(this.hole.slice());
    if (this.earlier.length > MOST_UNDO) this.earlier.shift();
  }

  /** Return to the state of the last `begin`; false where there is none. */
  undo() {
    const before = this.earlier.pop();
    if (before) this.hole = before;
    return Boolean(before);
  }

  /**
   * Paint a straight stroke with a round brush; single points are strokes from a point to itself.
   *
   * @param {{x: number, y: number}} from, to in pixels, fractions allowed; parts outside the picture are cut off.
   * @param {number} radius of the brush in pixels; the pixel under the point is always painted.
   * @param {boolean} erase whether the hole is closed there instead.
   */
  stroke(from, to, radius, erase = false) {
    const [left, right] = [Math.min(from.x, to.x) - radius, Math.max(from.x, to.x) + radius];
    const [top, bottom] = [Math.min(from.y, to.y) - radius, Math.max(from.y, to.y) + radius];
    const along = { x: to.x - from.x, y: to.y - from.y };
    const squared = along.x ** 2 + along.y ** 2;
    for (let y = Math.max(0, Math.floor(top)); y <= Math.min(this.height - 1, Math.ceil(bottom)); y += 1) {
      for (let x = Math.max(0, Math.floor(left)); x <= Math.min(this.width - 1, Math.ceil(right)); x += 1) {
        const [toX, toY] = [x + 0.5 - from.x, y + 0.5 - from.y];
        const share = squared ? Math.min(1, Math.max(0, (toX * along.x + toY * along.y) / squared)) : 0;
        const apart = Math.hypot(toX - share * along.x, toY - share * along.y);
        if (apart <= Math.max(radius, Math.SQRT1_2)) this.hole[y * this.width + x] = erase ? 0 : 1;
      }
    }
  }

  /**
   * Open or close the hole in a rectangle.
   *
   * @param {{left: number, top: number, width: number, height: number}} box in whole pixels; cut off at the borders.
   * @param {boolean} erase whether the hole is closed there instead.
   */
  rectangle(box, erase = false) {
    const [left, right] = [Math.max(0, box.left), Math.min(this.width, box.left + box.width)];
    for (let y = Math.max(0, box.top); y < Math.min(this.height, box.top + box.height); y += 1) {
      if (right > left) this.hole.fill(erase ? 0 : 1, y * this.width + left, y * this.width + right);
    }
  }

  /** Close the hole everywhere. */
  clear() {
    this.hole.fill(0);
  }

  /** The hole becomes the rest, and the rest becomes the hole. */
  invert() {
    this.hole.forEach((value, index) => {
      this.hole[index] = 1 - value;
    });
  }

  /** Share of the picture that is the hole, 0 to 1. */
  get share() {
    return this.hole.reduce((sum, value) => sum + value, 0) / this.hole.length;
  }

  /** The smallest rectangle around the hole, or null where there is none. */
  get bounds() {
    let [left, top, right, bottom] = [this.width, this.height, -1, -1];
    this.hole.forEach((value, index) => {
      if (!value) return;
      const [x, y] = [index % this.width, Math.floor(index / this.width)];
      [left, right] = [Math.min(left, x), Math.max(right, x)];
      [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
    });
    return right < 0 ? null : { left, top, width: right - left + 1, height: bottom - top + 1 };
  }

  /** The hole in words, for those who do not see it. */
  get words() {
    const box = this.bounds;
    if (!box) return "There is no hole yet.";
    const percent = this.share * 100;
    const shown = percent < 1 ? "less than 1" : String(Math.round(percent));
    return (
      `The hole is ${shown} % of the picture, within ${box.width} × ${box.height} pixels` +
      ` from column ${box.left + 1}, row ${box.top + 1}.`
    );
  }

  /**
   * The mask as OpenAI's images API takes it: a picture that is transparent in the hole and opaque elsewhere.
   *
   * @returns {Uint8ClampedArray} RGBA.
   */
  pixels() {
    const result = new Uint8ClampedArray(this.hole.length * 4);
    this.hole.forEach((value, index) => {
      result[index * 4 + 3] = value ? 0 : 255;
    });
    return result;
  }
}

/**
 * The part of a picture that fills a frame of another shape: as much as fits, from the middle.
 *
 * @param {number} width, height of the picture in pixels.
 * @param {number} toWidth, toHeight of the frame in pixels.
 * @returns {{left: number, top: number, width: number, height: number}} in pixels of the picture, fractions included.
 */
export function middle(width, height, toWidth, toHeight) {
  const scale = Math.min(width / toWidth, height / toHeight);
  const [cutWidth, cutHeight] = [toWidth * scale, toHeight * scale];
  return { left: (width - cutWidth) / 2, top: (height - cutHeight) / 2, width: cutWidth, height: cutHeight };
}

/**
 * The largest free height or width that is allowed and not above `side`, else the smallest allowed.
 *
 * @param {number} side in pixels.
 * @param {{least_side: number, most_side: number, divisible_by: number}} field of the signature, with free sizes.
 */
export function nearestSide(side, field) {
  const most = Math.min(side, field.most_side);
  return Math.max(field.least_side, Math.floor(most / field.divisible_by) * field.divisible_by);
}

/**
 * Height and width of a whole picture where both are free: a side that is too large or too small takes the other along.
 *
 * @param {{width: number, height: number}} given
 * @param {object} field of the signature, whose height and width are free
 */
export function fittingSize(given, field) {
  const largest = field.most_side / Math.max(given.width, given.height);
  const smallest = field.least_side / Math.min(given.width, given.height);
  const scale = Math.max(Math.min(1, largest), smallest);
  return { height: nearestSide(Math.round(given.height * scale), field), width: nearestSide(Math.round(given.width * scale), field) };
}
