// The pure parts of the page, without a browser; test_calculations.py runs this file.
import assert from "node:assert/strict";
import { test } from "node:test";

import { length, moved, nested, sizeOf, slerp, walk } from "../../../serving/playground/calculations/latent.js";
import { fittingSize, Mask, middle, nearestSide } from "../../../serving/playground/calculations/mask.js";
import { MAX_SEED, gaussian, randomSeed } from "../../../serving/playground/calculations/noise.js";
import { agreement, difference } from "../../../serving/playground/calculations/pixels.js";
import { inTurn, numbers, seeds, spread } from "../../../serving/playground/calculations/tables.js";

const near = (actual, expected, tolerance = 1e-5) => {
  assert.equal(actual.length, expected.length);
  actual.forEach((value, index) => assert.ok(Math.abs(value - expected[index]) < tolerance, `${value} at ${index}`));
};

test("noise is a function of the seed alone, and of any seed", () => {
  assert.deepEqual(gaussian(7, 5), gaussian("7", 8).subarray(0, 5));
  assert.notDeepEqual(gaussian(7, 5), gaussian(8, 5));
  assert.ok(gaussian(MAX_SEED, 64).every(Number.isFinite));
  assert.throws(() => gaussian(-1, 4), /a seed is 0 to 9223372036854775807; given was -1/);
  assert.throws(() => gaussian(2n ** 63n, 4), RangeError);
  assert.ok(Number.isSafeInteger(randomSeed()));
});

test("an arc between latents starts, ends and stays between their lengths", () => {
  const [from, to] = [gaussian(1, 128), gaussian(2, 128)];
  assert.deepEqual(slerp(from, to, 0), from);
  assert.deepEqual(slerp(from, to, 1), to);
  for (const share of [0.1, 0.5, 0.9]) {
    const expected = length(from) + (length(to) - length(from)) * share;
    assert.ok(Math.abs(length(slerp(from, to, share)) - expected) < 1e-3);
  }
  near([...slerp([1, 0], [0, 1], 0.5)], [Math.SQRT1_2, Math.SQRT1_2]);
  near([...slerp([1, 0], [0, 3], 1 / 3)], [(5 / 3) * Math.cos(Math.PI / 6), (5 / 3) * Math.sin(Math.PI / 6)]);
});

test("latents without an angle between them are crossed in a line", () => {
  near([...slerp([1, 2], [2, 4], 0.5)], [1.5, 3]);
  near([...slerp([1, 0], [-1, 0], 0.25)], [0.5, 0]);
  near([...slerp([0, 0], [2, 2], 0.5)], [1, 1]);
  assert.throws(() => slerp([1], [1, 2], 0.5), /latents of 1 and 2 values/);
});

test("a walk passes all anchors, and a closed one returns", () => {
  const anchors = [gaussian(1, 8), gaussian(2, 8), gaussian(3, 8)];
  const open = walk(anchors, 4);
  assert.equal(open.length, 9);
  assert.deepEqual([open[0], open[4], open[8]].map((frame) => frame.latent), anchors);
  assert.deepEqual([open[5].from, open[5].to, open[5].share], [1, 2, 0.25]);
  const closed = walk(anchors, 4, true);
  assert.equal(closed.length, 12);
  assert.deepEqual([closed[11].from, closed[11].to, closed[11].share], [2, 0, 0.75]);
  assert.throws(() => walk(anchors.slice(1, 2), 4), /at least two anchors/);
  assert.throws(() => walk(anchors, 0), /at least one step/);
});

test("a latent moves along directions by amounts", () => {
  near([...moved([1, 1], [[1, 0], [0, 2]], [2, -0.5])], [3, 0]);
  assert.throws(() => moved([1, 1], [[1]], [1]), /direction 0 has 1 values, the latent 2/);
});

test("numbers take the nesting of their shape", () => {
  assert.deepEqual(nested(Float32Array.of(1, 2, 3, 4), [2, 2, 1]), [[[1], [2]], [[3], [4]]]);
  assert.deepEqual([nested([5], []), sizeOf([2, 3]), sizeOf([])], [[5], 6, 1]);
});

test("a difference is absolute, amplified, cut off at white, and opaque", () => {
  const [first, second] = [Uint8ClampedArray.of(10, 20, 30, 0), Uint8ClampedArray.of(12, 10, 255, 9)];
  assert.deepEqual([...difference(first, second, 8)], [16, 80, 255, 255]);
  assert.throws(() => difference(first, first.slice(0, 0), 1), /pictures of 1 and 0 pixels/);
});

test("equal pictures agree, and one level in few pixels is still the same picture", () => {
  const first = new Uint8ClampedArray(4 * 2000).fill(100);
  assert.deepEqual(agreement(first, first), { psnr: 100, largest: 0, mean: 0, identical: 1, same: true });
  const second = first.slice();
  second[4] = 101;
  assert.equal(agreement(first, second).same, true);
  assert.equal(agreement(first, second).identical, 1 - 1 / 2000);
  second[4] = 102;
  assert.deepEqual([agreement(first, second).same, agreement(first, second).largest], [false, 2]);
  for (let pixel = 0; pixel < 3; pixel += 1) second[4 * pixel + 1] = 101;
  second[4] = 100;
  assert.equal(agreement(first, second).same, false);
});

test("alpha takes no part in the agreement", () => {
  const result = agreement(Uint8ClampedArray.of(1, 2, 3, 0), Uint8ClampedArray.of(1, 2, 3, 255));
  assert.equal(result.same, true);
});

test("a brush paints a round stroke, and erases", () => {
  const mask = new Mask(16, 8);
  mask.stroke({ x: 4, y: 4 }, { x: 12, y: 4 }, 2);
  assert.deepEqual(mask.bounds, { left: 2, top: 2, width: 12, height: 4 });
  assert.equal(mask.hole[2 * 16 + 2], 0, "the ends are round");
  mask.stroke({ x: 8, y: 0 }, { x: 8, y: 8 }, 1, true);
  assert.deepEqual([mask.hole[3 * 16 + 6], mask.hole[3 * 16 + 7], mask.hole[3 * 16 + 9]], [1, 0, 1]);
});

test("the smallest brush paints the pixel under it, and strokes outside paint nothing", () => {
  const mask = new Mask(4, 4);
  mask.stroke({ x: 2.5, y: 1.5 }, { x: 2.5, y: 1.5 }, 0);
  assert.deepEqual(mask.bounds, { left: 2, top: 1, width: 1, height: 1 });
  mask.clear();
  mask.stroke({ x: -9, y: -9 }, { x: -5, y: 40 }, 2);
  assert.equal(mask.bounds, null);
});

test("rectangles are cut off at the borders", () => {
  const mask = new Mask(4, 4);
  mask.rectangle({ left: 2, top: -1, width: 9, height: 3 });
  assert.deepEqual(mask.bounds, { left: 2, top: 0, width: 2, height: 2 });
  mask.rectangle({ left: 3, top: 0, width: 1, height: 4 }, true);
  assert.deepEqual(mask.bounds, { left: 2, top: 0, width: 1, height: 2 });
  mask.rectangle({ left: 9, top: 0, width: 1, height: 4 });
  assert.equal(mask.share, 2 / 16);
});

test("what was painted is taken back stroke by stroke", () => {
  const mask = new Mask(4, 4);
  assert.equal(mask.undo(), false);
  mask.begin();
  mask.rectangle({ left: 0, top: 0, width: 4, height: 2 });
  mask.begin();
  mask.invert();
  assert.deepEqual(mask.bounds, { left: 0, top: 2, width: 4, height: 2 });
  assert.equal(mask.undo(), true);
  assert.deepEqual(mask.bounds, { left: 0, top: 0, width: 4, height: 2 });
  assert.equal(mask.undo(), true);
  assert.equal(mask.share, 0);
  for (let count = 0; count < 40; count += 1) mask.begin();
  assert.equal(mask.earlier.length, 32);
});

test("a mask is transparent in the hole, and described in words", () => {
  const mask = new Mask(20, 10);
  assert.equal(mask.words, "There is no hole yet.");
  mask.rectangle({ left: 0, top: 0, width: 1, height: 1 });
  assert.match(mask.words, /less than 1 % of the picture/);
  mask.rectangle({ left: 0, top: 0, width: 10, height: 10 });
  assert.match(mask.words, /The hole is 50 % of the picture, within 10 × 10 pixels from column 1, row 1\./);
  assert.deepEqual([...mask.pixels().subarray(9 * 4, 11 * 4)], [0, 0, 0, 0, 0, 0, 0, 255]);
});

test("a picture of another shape is cut from the middle", () => {
  assert.deepEqual(middle(200, 100, 32, 32), { left: 50, top: 0, width: 100, height: 100 });
  assert.deepEqual(middle(64, 64, 32, 16), { left: 0, top: 16, width: 64, height: 32 });
});

test("free sides are the nearest allowed", () => {
  const field = { least_side: 16, most_side: 64, divisible_by: 8 };
  assert.deepEqual([3, 16, 47, 48, 900].map((side) => nearestSide(side, field)), [16, 16, 40, 48, 64]);
});

const steps = { name: "steps", dtype: "INT64", minimum: 1, maximum: 64 };
const guidance = { name: "guidance", dtype: "FP32", minimum: 0, maximum: 10 };

test("typed numbers and ranges are read", () => {
  assert.deepEqual(numbers("4, 8,16 ,4,", steps, 8), [4, 8, 16]);
  assert.deepEqual(numbers("1 to 9 by 4, 16", steps, 8), [1, 5, 9, 16]);
  assert.deepEqual(numbers("0 to 1 by 0.1", guidance, 11).at(-1), 1);
  assert.deepEqual(numbers("2 to 4", steps, 8), [2, 3, 4]);
});

test("what no number of the field is, is refused in a sentence", () => {
  for (const [text, field, sentence] of [
    ["", steps, /steps: give numbers, such as 1, 33, 64/],
    ["four", steps, /four is neither a number nor a range/],
    ["1 to 9 by 0", steps, /is neither/],
    ["9 to 1", steps, /9 to 1 begins with the larger one/],
    ["1 to 60", steps, /1 to 60 has 60 numbers; at most 8/],
    ["1.5", steps, /1.5 is no whole number/],
    ["0", steps, /0 is not within 1 to 64/],
    ["11", guidance, /11 is not within 0 to 10/],
    ["1,2,3,4,5,6,7,8,9", steps, /9 numbers; at most 8 are drawn/],
  ]) {
    assert.throws(() => numbers(text, field, 8), sentence);
  }
});

test("typed seeds keep all of their digits", () => {
  assert.deepEqual(seeds("7, 9 to 11, 7, 9223372036854775807", 8), ["7", "9", "10", "11", "9223372036854775807"]);
  for (const [text, sentence] of [
    ["", /give seeds/],
    ["9223372036854775808", /is no seed/],
    ["-1", /is no seed/],
    ["1 to 9", /1 to 9 has 9 seeds; at most 8/],
    ["3 to 2", /3 to 2 begins with the larger one/],
    ["1 to 8, 9", /these are 9 seeds; at most 8/],
  ]) {
    assert.throws(() => seeds(text, 8), sentence);
  }
});

test("proposals spread over the range", () => {
  assert.deepEqual(spread(steps, 3), [1, 33, 64]);
  assert.deepEqual(spread({ dtype: "INT64", minimum: 0, maximum: 1 }, 4), [0, 1]);
  assert.deepEqual(spread(guidance, 4), [0, 3.33, 6.67, 10]);
});

test("tasks run in order and some at a time", async () => {
  const [started, most] = [[], { now: 0, ever: 0 }];
  const tasks = Array.from({ length: 9 }, (_, number) => async () => {
    started.push(number);
    most.now += 1;
    most.ever = Math.max(most.ever, most.now);
    await new Promise(setImmediate);
    most.now -= 1;
  });
  await inTurn(tasks, 3, new AbortController().signal);
  assert.deepEqual([started, most.ever], [[0, 1, 2, 3, 4, 5, 6, 7, 8], 3]);
});

test("the first failure stops the rest and is thrown", async () => {
  const started = [];
  const tasks = Array.from({ length: 9 }, (_, number) => async (signal) => {
    started.push(number);
    await new Promise(setImmediate);
    if (number === 1) throw new Error("no such label");
    if (signal.aborted) throw signal.reason;
  });
  await assert.rejects(inTurn(tasks, 2, new AbortController().signal), /no such label/);
  assert.ok(started.length <= 3, started);
});

test("a person who stops gets no error", async () => {
  const stop = new AbortController();
  const started = [];
  const tasks = Array.from({ length: 9 }, (_, number) => async (signal) => {
    started.push(number);
    if (number === 2) stop.abort();
    signal.throwIfAborted();
  });
  await inTurn(tasks, 1, stop.signal);
  assert.deepEqual(started, [0, 1, 2]);
});

test("a picture of free size stays whole where it can", () => {
  const field = { least_side: 4, most_side: 64, divisible_by: 1 };
  assert.deepEqual(fittingSize({ width: 53, height: 37 }, field), { height: 37, width: 53 });
  assert.deepEqual(fittingSize({ width: 900, height: 700 }, field), { height: 50, width: 64 });
  assert.deepEqual(fittingSize({ width: 3, height: 6 }, field), { height: 8, width: 4 });
  assert.deepEqual(fittingSize({ width: 3000, height: 30 }, field), { height: 4, width: 64 });
  assert.deepEqual(fittingSize({ width: 53, height: 37 }, { ...field, divisible_by: 4 }), { height: 36, width: 52 });
});
