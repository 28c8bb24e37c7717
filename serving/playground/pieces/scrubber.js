/** Frames of a walk: one is shown large, a slider chooses it, and a button plays them. */

import { h } from "../dom.js";
import { save } from "../picture.js";
import { choice } from "./fields.js";

const SPEEDS = [["6", "6 a second"], ["12", "12 a second"], ["24", "24 a second"]];

export class Scrubber {
  #pictures;
  #timer = null;
  #shown = -1;

  /**
   * @param {import("../registry.js").Page} page
   * @param {string[]} titles what each frame is, in words
   * @param {{every: number, speed: string}} options every how many frames one is shown small below; frames a second
   */
  constructor(page, titles, { every, speed }) {
    this.page = page;
    this.titles = titles;
    this.speed = choice(SPEEDS, speed);
    this.speed.setAttribute("aria-label", "Frames");
    this.#pictures = new Array(titles.length).fill(null);
    this.image = h("img", { alt: "", hidden: true });
    this.image.addEventListener("load", () => this.image.classList.toggle("pixels", this.image.naturalWidth < 192));
    this.caption = h("p.position", {}, "");
    this.range = h("input", {
      type: "range", min: 0, max: titles.length - 1, step: 1, value: "0", "aria-label": "Frame",
      on: { input: () => { this.pause(); this.show(); } },
    });
    this.play = h("button.button", { type: "button", on: { click: () => this.toggle() } }, "Play");
    this.details = h("button.button", { type: "button", disabled: true, on: { click: () => this.open() } }, "Details");
    this.sheet = h("button.button", { type: "button", disabled: true, on: { click: () => this.saveAll() } }, "Save all frames");
    this.stops = titles.map((title, index) => (index % every === 0 ? this.#stop(title, index) : null));
    this.element = h("div.scrubber", {}, h("div.stage", {}, this.image), this.caption, this.range,
      h("div.controls-of-it", {}, this.play, this.speed, this.details, this.sheet),
      h("ul.film", { "aria-label": "Frames at the seeds" }, this.stops.filter(Boolean)));
    this.show();
  }

  #stop(title, index) {
    return h("li", {}, h("button", {
      type: "button", title, "aria-label": `Show ${title}`, disabled: true,
      on: { click: () => { this.pause(); this.go(index); } },
    }, h("img", { alt: "" })));
  }

  /** A frame is made. */
  set(index, picture) {
    picture.title = this.titles[index];
    picture.alt = this.titles[index];
    this.#pictures[index] = picture;
    const button = this.stops[index]?.querySelector("button");
    if (button) {
      button.disabled = false;
      button.firstChild.src = picture.url;
      button.firstChild.classList.add("pixels");
    }
    this.sheet.disabled = this.#pictures.includes(null);
    this.show();
  }

  /** Show a frame. */
  go(index) {
    this.range.value = String(index);
    this.show();
  }

  /** Show the frame of the slider, or until it is made the nearest one before or after it. */
  show() {
    const index = Number(this.range.value);
    const nearest = this.#nearest(index);
    const picture = this.#pictures[nearest];
    this.range.setAttribute("aria-valuetext", `frame ${index + 1} of ${this.titles.length}, ${this.titles[index]}`);
    this.caption.textContent = `Frame ${index + 1} of ${this.titles.length}: ${this.titles[index]}`;
    this.image.alt = this.titles[nearest] ?? "";
    this.details.disabled = !this.#pictures[index];
    if (!picture || nearest === this.#shown) return;
    this.#shown = nearest;
    this.image.src = picture.url;
    this.image.hidden = false;
  }

  #nearest(index) {
    for (let apart = 0; apart < this.titles.length; apart += 1) {
      if (this.#pictures[index - apart]) return index - apart;
      if (this.#pictures[index + apart]) return index + apart;
    }
    return -1;
  }

  /** Play, or pause. */
  toggle() {
    if (this.#timer) return this.pause();
    this.play.textContent = "Pause";
    const step = () => {
      this.go((Number(this.range.value) + 1) % this.titles.length);
      this.#timer = setTimeout(step, 1000 / Number(this.speed.value));
    };
    step();
    return undefined;
  }

  pause() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.play.textContent = "Play";
  }

  open() {
    const picture = this.#pictures[Number(this.range.value)];
    this.pause();
    if (picture) this.page.showPicture(picture);
  }

  /** All frames as one PNG, row after row. */
  async saveAll() {
    const bitmaps = await Promise.all(this.#pictures.map((picture) => createImageBitmap(picture.blob)));
    const columns = Math.ceil(Math.sqrt(bitmaps.length));
    const { width, height } = bitmaps[0];
    const canvas = h("canvas", { width: columns * width, height: Math.ceil(bitmaps.length / columns) * height });
    const context = canvas.getContext("2d");
    bitmaps.forEach((bitmap, index) => {
      context.drawImage(bitmap, (index % columns) * width, Math.floor(index / columns) * height);
      bitmap.close();
    });
    canvas.toBlob((blob) => save(blob, "latent-walk.png"));
  }

  /** Stop, and let the browser forget the pictures. */
  close() {
    this.pause();
    for (const picture of this.#pictures) if (picture) URL.revokeObjectURL(picture.url);
  }
}
