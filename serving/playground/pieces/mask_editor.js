/**
 * `<litho-mask>`: a picture whose hole is painted with a pointer, with keys, or as a rectangle of typed numbers.
 *
 *     const editor = h("litho-mask");
 *     editor.show(canvas, { announce: page.announce });
 *     editor.mask.share                 // 0 where nothing is painted
 *     await editor.blob()               // PNG, transparent in the hole
 */

import { Mask } from "../calculations/mask.js";
import { h, freshId } from "../dom.js";
import { labelled, number, tick, wholeNumber } from "./fields.js";

const SHARPNESS = 512;
const HELP = "Paint the hole with a mouse, a pen or a finger. With keys: arrows move the brush, with Shift by 8 pixels;"
  + " Space paints; P puts the brush down and lifts it; + and − change its size; E erases; U takes the last stroke back.";

export class LithoMask extends HTMLElement {
  #stroke = null;
  #at = { x: 0, y: 0 };
  #down = false;
  #begun = false;

  /**
   * Show a picture without a hole.
   *
   * @param {HTMLCanvasElement} picture of the model's size
   * @param {{announce: (text: string) => void}} options
   */
  show(picture, { announce }) {
    this.picture = picture;
    this.announce = announce;
    this.mask = new Mask(picture.width, picture.height);
    this.#at = { x: Math.floor(picture.width / 2) + 0.5, y: Math.floor(picture.height / 2) + 0.5 };
    const scale = Math.max(1, Math.round(SHARPNESS / Math.max(picture.width, picture.height)));
    const help = h("p.hint", { id: freshId("mask-help") }, HELP);
    this.canvas = h("canvas", {
      width: picture.width * scale, height: picture.height * scale, tabIndex: 0, role: "application",
      "aria-label": "Mask: paint the hole", "aria-describedby": help.id,
    });
    this.hole = h("canvas", { width: picture.width, height: picture.height });
    this.words = h("p.words", { role: "status" }, this.mask.words);
    this.replaceChildren(this.canvas, this.words, this.#tools(), this.#rectangle(), help);
    this.#listen();
    this.#draw();
  }

  #tools() {
    const most = Math.max(2, Math.floor(Math.max(this.picture.width, this.picture.height) / 2));
    this.size = h("input", { type: "range", min: 1, max: most, step: 1, value: String(Math.max(1, Math.round(most / 4))) });
    this.size.addEventListener("input", () => this.#draw());
    this.erase = tick("Erase");
    const button = (title, act) => h("button.button", { type: "button", on: { click: () => this.#change(act) } }, title);
    return h("div.tools-of-mask", {}, labelled("Brush", this.size), this.erase.element, h("div.actions", {},
      h("button.button", { type: "button", on: { click: () => this.#undo() } }, "Undo"),
      button("Invert", () => this.mask.invert()), button("Clear", () => this.mask.clear())));
  }

  #rectangle() {
    const { width, height } = this.picture;
    const inputs = {
      left: number(Math.floor(width / 4) + 1, 1, width), top: number(Math.floor(height / 4) + 1, 1, height),
      width: number(Math.ceil(width / 2), 1, width), height: number(Math.ceil(height / 2), 1, height),
    };
    const titles = { left: "First column", top: "First row", width: "Columns", height: "Rows" };
    const wrong = h("p.wrong", { role: "alert", hidden: true });
    const apply = (erase) => () => {
      try {
        const [left, top, columns, rows] = Object.entries(inputs).map(([name, input]) => wholeNumber(input, titles[name]));
        wrong.hidden = true;
        const box = { left: left - 1, top: top - 1, width: columns, height: rows };
        this.#change(() => this.mask.rectangle(box, erase));
      } catch (error) {
        wrong.textContent = `${error.message}.`;
        wrong.hidden = false;
      }
    };
    return h("details", {}, h("summary", {}, "Rectangle by numbers"),
      h("div.numbers", {}, Object.entries(inputs).map(([name, input]) => labelled(titles[name], input))), wrong,
      h("div.actions", {}, h("button.button", { type: "button", on: { click: apply(false) } }, "Add to the hole"),
        h("button.button", { type: "button", on: { click: apply(true) } }, "Take from the hole")));
  }

  /** Change the hole as one step that can be taken back. */
  #change(act) {
    this.mask.begin();
    act();
    this.#changed();
  }

  #undo() {
    if (this.mask.undo()) this.#changed();
    else this.announce("Nothing to take back");
  }

  #changed() {
    this.#draw();
    this.words.textContent = this.mask.words;
    this.dispatchEvent(new CustomEvent("mask-change", { bubbles: true }));
  }

  get #radius() {
    return Number(this.size.value) / 2;
  }

  #paint(from, to) {
    this.mask.stroke(from, to, this.#radius, this.erase.input.checked);
    this.#draw();
  }

  #listen() {
    const { canvas } = this;
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      return {
        x: ((event.clientX - box.left) / box.width) * this.picture.width,
        y: ((event.clientY - box.top) / box.height) * this.picture.height,
      };
    };
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      this.mask.begin();
      this.#stroke = at(event);
      this.#at = this.#stroke;
      this.#paint(this.#stroke, this.#stroke);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.#stroke) return;
      // A browser reports few of the points that a hand passes; the others are in the event too.
      for (const one of event.getCoalescedEvents?.() ?? [event]) {
        const next = at(one);
        this.#paint(this.#stroke, next);
        this.#stroke = next;
      }
      this.#at = this.#stroke;
    });
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, () => {
        if (this.#stroke) this.#changed();
        this.#stroke = null;
      });
    }
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("focus", () => this.#draw());
    canvas.addEventListener("blur", () => { this.#lift(); this.#draw(); });
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) {
      if (event.key.toLowerCase() === "z" && !event.altKey) this.#handled(event, () => this.#undo());
      return;
    }
    const step = event.shiftKey ? 8 : 1;
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    const acts = {
      " ": () => this.#change(() => this.#paint(this.#at, this.#at)), p: () => this.#toggle(), u: () => this.#undo(),
      e: () => this.#flip(), "+": () => this.#resize(1), "=": () => this.#resize(1), "-": () => this.#resize(-1),
    };
    if (moves[event.key]) this.#handled(event, () => this.#move(...moves[event.key]));
    else if (acts[event.key.toLowerCase()]) this.#handled(event, acts[event.key.toLowerCase()]);
  }

  #handled(event, act) {
    event.preventDefault();
    act();
  }

  #move(right, down) {
    const before = this.#at;
    this.#at = {
      x: Math.min(this.picture.width - 0.5, Math.max(0.5, before.x + right)),
      y: Math.min(this.picture.height - 0.5, Math.max(0.5, before.y + down)),
    };
    if (!this.#down) {
      this.announce(`Column ${Math.ceil(this.#at.x)}, row ${Math.ceil(this.#at.y)}`);
      return this.#draw();
    }
    if (!this.#begun) this.mask.begin();
    this.#begun = true;
    this.#paint(before, this.#at);
    return this.#changed();
  }

  #toggle() {
    if (this.#down) return this.#lift();
    this.#down = true;
    this.announce("Brush down");
    return this.#change(() => { this.#paint(this.#at, this.#at); this.#begun = true; });
  }

  #lift() {
    if (this.#down) this.announce("Brush up");
    this.#down = false;
    this.#begun = false;
  }

  #flip() {
    this.erase.input.checked = !this.erase.input.checked;
    this.announce(this.erase.input.checked ? "Erasing" : "Painting");
    this.#draw();
  }

  #resize(by) {
    this.size.value = String(Number(this.size.value) + by);
    this.announce(`Brush of ${this.size.value} pixels`);
    this.#draw();
  }

  #draw() {
    const { canvas, picture, mask } = this;
    const context = canvas.getContext("2d");
    const scale = canvas.width / picture.width;
    context.imageSmoothingEnabled = false;
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.drawImage(picture, 0, 0, canvas.width, canvas.height);
    this.#drawHole(mask);
    context.drawImage(this.hole, 0, 0, canvas.width, canvas.height);
    if (document.activeElement !== canvas) return;
    context.lineWidth = 2;
    for (const [colour, width] of [["#000", 4], ["#fff", 2]]) {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.beginPath();
      context.arc(this.#at.x * scale, this.#at.y * scale, Math.max(3, this.#radius * scale), 0, 2 * Math.PI);
      context.stroke();
    }
  }

  /** The hole is a checkerboard of two colours: it is seen on any picture, and without telling colours apart. */
  #drawHole(mask) {
    const context = this.hole.getContext("2d");
    const pixels = context.createImageData(mask.width, mask.height);
    mask.hole.forEach((value, index) => {
      if (!value) return;
      const odd = ((index % mask.width) + Math.floor(index / mask.width)) % 2;
      pixels.data.set(odd ? [232, 62, 140, 215] : [255, 255, 255, 215], index * 4);
    });
    context.putImageData(pixels, 0, 0);
  }

  /** The mask as a file. @returns {Promise<Blob>} PNG, transparent in the hole */
  blob() {
    const canvas = h("canvas", { width: this.mask.width, height: this.mask.height });
    canvas.getContext("2d").putImageData(new ImageData(this.mask.pixels(), this.mask.width, this.mask.height), 0, 0);
    return new Promise((resolve) => { canvas.toBlob(resolve, "image/png"); });
  }
}

customElements.define("litho-mask", LithoMask);
