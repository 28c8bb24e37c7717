/**
 * `<litho-picture>`: one picture of a grid, from waiting through previews to the finished file; and pixels of pictures.
 *
 *     const tile = h("litho-picture");
 *     tile.wait("in the queue");
 *     tile.preview(blob, "preview 2 of 3");
 *     tile.finish(picture, { caption: "seed 7", alt: "3, seed 7", open: page.showPicture });
 *     tile.fail("the picture was not made in time");
 */

import { h } from "./dom.js";

/** Below this many pixels a side, pictures are enlarged in squares. */
const SMALL = 192;

export class LithoPicture extends HTMLElement {
  #own = null; // the address of a preview, freed when the next one comes

  connectedCallback() {
    if (!this.firstChild) this.empty();
  }

  /** A frame where a picture will be. @param {[number, number]} [size]  height and width in pixels, of its shape alone */
  empty([height, width] = [1, 1]) {
    this.style.setProperty("--ratio", `${width} / ${height}`);
    this.#show("ghost", h("div.frame", {}), "");
  }

  /** Empty, with a moving edge: the picture is being made. */
  wait(text = "") {
    this.#show("waiting", h("div.frame", {}), text);
  }

  /** A noisy picture on its way. */
  preview(blob, text = "") {
    const url = URL.createObjectURL(blob);
    const image = this.#image(url, "");
    // The old preview stays until the new one is decoded: no flicker.
    image.decode().catch(() => {}).then(() => {
      if (this.dataset.state !== "waiting" && this.dataset.state !== "preview") return URL.revokeObjectURL(url);
      this.#show("preview", h("div.frame", {}, image), text);
      this.#own = url;
    });
  }

  /**
   * The finished picture.
   *
   * @param {import("./api.js").Picture} picture
   * @param {{caption?: string, alt?: string, open?: (picture: object) => void, actions?: HTMLElement[]}} [options]
   *   `actions` are small buttons beside the caption
   */
  finish(picture, { caption = "", alt = "a picture", open, actions = [] } = {}) {
    this.picture = picture;
    const image = this.#image(picture.url, alt);
    const frame = open
      ? h("button.frame", { type: "button", title: "Details", on: { click: () => open(picture) } }, image)
      : h("div.frame", {}, image);
    this.#show("finished", frame, caption, actions);
  }

  /** What went wrong. */
  fail(text) {
    this.#show("failed", h("div.frame", {}, h("span", { "aria-hidden": "true" }, "×")), text);
  }

  #image(url, alt) {
    const image = h("img", { src: url, alt, decoding: "async", draggable: true });
    image.addEventListener("load", () => {
      image.classList.toggle("pixels", Math.max(image.naturalWidth, image.naturalHeight) < SMALL);
      this.style.setProperty("--ratio", `${image.naturalWidth} / ${image.naturalHeight}`);
    });
    return image;
  }

  #show(state, frame, text, actions = []) {
    this.dataset.state = state;
    this.replaceChildren(h("figure", {}, frame, h("figcaption.caption", {}, h("span", { title: text }, text), h("span", {}, actions))));
    if (this.#own) URL.revokeObjectURL(this.#own);
    this.#own = null;
  }
}

customElements.define("litho-picture", LithoPicture);

/** The pixels of a picture, RGBA, as they are in the file. @param {Blob} blob @returns {Promise<ImageData>} */
export async function pixelsOf(blob) {
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  const canvas = h("canvas", { width: bitmap.width, height: bitmap.height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

/** A small PNG of a picture as a data address, at most `side` pixels a side. @returns {Promise<string>} */
export async function thumbnail(blob, side = 96) {
  const bitmap = await createImageBitmap(blob);
  const scale = Math.min(1, side / Math.max(bitmap.width, bitmap.height));
  const canvas = h("canvas", { width: Math.round(bitmap.width * scale), height: Math.round(bitmap.height * scale) });
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return canvas.toDataURL("image/png");
}

/** Save a file under a name. */
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** A file name for a picture: "digits-7-seed-42.png". */
export function fileName(picture, model) {
  const ending = picture.format === "jpeg" ? "jpg" : picture.format;
  const stem = [model, picture.seed && `seed-${picture.seed}`].filter(Boolean).join("-");
  return `${stem.replace(/[^\w.-]+/g, "-")}.${ending}`;
}
