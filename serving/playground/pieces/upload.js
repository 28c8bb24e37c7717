/** A picture of the person's own: chosen, dropped or pasted, cut from the middle to the size that a model takes. */

import { fittingSize, middle } from "../calculations/mask.js";
import { h } from "../dom.js";
import { labelled } from "./fields.js";

const LARGEST_BYTES = 32 * 2 ** 20;
const KINDS = ["image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp", "image/avif"];

/**
 * Height and width that a picture gets.
 *
 * @param {object} field of the signature, with role image
 * @param {{width: number, height: number}} given
 */
export function sizeFor(field, given) {
  if (field.shape[0] > 0) return { height: field.shape[0], width: field.shape[1] };
  return fittingSize(given, field);
}

/**
 * A picture file as a canvas of the model's size; rotated as its EXIF data say.
 *
 * @param {Blob} file
 * @param {object} field of the signature, with role image
 * @returns {Promise<HTMLCanvasElement>}
 * @throws {RangeError} with a sentence for the person
 */
export async function canvasOf(file, field) {
  if (file.size > LARGEST_BYTES) throw new RangeError("The file is larger than 32 MiB; choose a smaller one");
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new RangeError("This file is no picture that the browser can read; choose a PNG, JPEG or WebP file");
  }
  const { width, height } = sizeFor(field, bitmap);
  const canvas = h("canvas", { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const cut = middle(bitmap.width, bitmap.height, width, height);
  context.imageSmoothingQuality = "high";
  if (field.shape[2] % 2) { // without alpha the model gets it on white
    context.fillStyle = "#fff";
    context.fillRect(0, 0, width, height);
  }
  context.drawImage(bitmap, cut.left, cut.top, cut.width, cut.height, 0, 0, width, height);
  if (field.shape[2] < 3) toGrey(context);
  // What is less than a pixel of the result is no cut that anybody sees.
  const lost = Math.max((bitmap.width - cut.width) * (width / cut.width), (bitmap.height - cut.height) * (height / cut.height));
  canvas.given = { width: bitmap.width, height: bitmap.height, cut: lost >= 1 };
  bitmap.close();
  return canvas;
}

/** Take the colours away, by the weights of ITU-R BT.601 that Pillow has too: the person sees what the model gets. */
function toGrey(context) {
  const pixels = context.getImageData(0, 0, context.canvas.width, context.canvas.height);
  for (let index = 0; index < pixels.data.length; index += 4) {
    const [red, green, blue] = pixels.data.subarray(index, index + 3);
    pixels.data.fill(Math.round(0.299 * red + 0.587 * green + 0.114 * blue), index, index + 3);
  }
  context.putImageData(pixels, 0, 0);
}

/** A canvas as a PNG file. @returns {Promise<Blob>} */
export function fileOf(canvas) {
  return new Promise((resolve) => { canvas.toBlob(resolve, "image/png"); });
}

/**
 * The control that takes a file, also by drop and paste.
 *
 * @param {(file: Blob) => void} taken
 * @returns {{element: HTMLElement, close: () => void}} call `close` when the view closes
 */
export function uploader(taken) {
  const input = h("input", { type: "file", accept: KINDS.join(",") });
  input.addEventListener("change", () => { if (input.files[0]) taken(input.files[0]); });
  const element = labelled("Picture", input, "Or drop a file here, or paste one.");
  element.classList.add("upload");
  const over = (on) => (event) => {
    event.preventDefault();
    element.classList.toggle("over", on);
  };
  element.addEventListener("dragover", over(true));
  element.addEventListener("dragleave", over(false));
  element.addEventListener("drop", (event) => {
    over(false)(event);
    const [file] = event.dataTransfer.files;
    if (file) taken(file);
  });
  const pasted = (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find((one) => one.type.startsWith("image/"));
    if (file) taken(file);
  };
  document.addEventListener("paste", pasted);
  return { element, close: () => document.removeEventListener("paste", pasted) };
}
