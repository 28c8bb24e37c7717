/** Edit a picture: upload it, paint a hole where the model has a mask, and see what comes out beside it. */

import { edit, stream } from "../api.js";
import { fieldOf } from "../controls.js";
import { receiptRows } from "../details.js";
import { h, icon } from "../dom.js";
import { fileName, save } from "../picture.js";
import { labelled, number, wholeNumber } from "../pieces/fields.js";
import "../pieces/mask_editor.js";
import { editCode } from "../pieces/edit_code.js";
import { patiently } from "../pieces/requests.js";
import { canvasOf, fileOf, uploader } from "../pieces/upload.js";
import { Work } from "../pieces/work.js";
import { registerView } from "../registry.js";

const MOST_PICTURES = 4;

class Edit {
  constructor(element, page) {
    this.page = page;
    const { model, memory } = page;
    this.source = fieldOf(model, "image");
    this.maskField = fieldOf(model, "mask");
    this.urls = [];
    this.controls = h("litho-controls");
    this.controls.show(model, { values: memory.model === model.id ? memory.values : {} });
    this.upload = uploader((file) => this.take(file));
    this.sample = h("button.button.sample", { type: "button", on: { click: () => this.drawSample() } }, "Draw a sample");
    this.count = number(memory.count ?? 1, 1, MOST_PICTURES);
    this.given = h("div.given", {}, h("p.empty", {}, "Choose a picture."));
    this.made = h("div.grid", { role: "group", "aria-label": "Results" });
    this.note = h("p.hint", {}, "");
    this.code = h("div", {});
    this.work = new Work(page, this.maskField ? "Fill the hole" : "Change the picture", (signal) => this.make(signal));
    this.draw(element);
    const start = page.handover?.blob ?? memory.file;
    if (start) this.take(start);
  }

  draw(element) {
    const countField = fieldOf(this.page.model, "seed") ? labelled("Pictures", this.count) : "";
    element.append(h("div.split", {},
      h("form.panel", { noValidate: true, on: { submit: this.work.pressed } }, h("h2.hidden", {}, "Settings"),
        this.upload.element, this.sample, this.controls, countField, this.work.wrong, this.work.button, this.work.status),
      h("section.results.both", { "aria-label": "Pictures" },
        h("div", {}, h("h3", {}, this.maskField ? "Picture and hole" : "Picture"), this.note, this.given),
        h("div", {}, h("h3", {}, "Result"), h("p.hint", {}, "What the model makes of it."), this.made, this.code))));
  }

  /** Take a picture as the new source. */
  async take(file) {
    try {
      this.canvas = await canvasOf(file, this.source);
    } catch (error) {
      if (error instanceof RangeError) this.work.refuse(error.message);
      else this.page.showError(error);
      return;
    }
    this.work.wrong.hidden = true;
    this.page.memory.file = file;
    const { given, width, height } = this.canvas;
    const same = given.width === width && given.height === height;
    this.note.textContent = same ? `${width} × ${height} pixels`
      : `${given.width} × ${given.height} pixels, ${given.cut ? "cut from the middle and " : ""}resized to ${width} × ${height}`;
    if (this.maskField) {
      this.editor = h("litho-mask");
      this.given.replaceChildren(this.editor);
      this.editor.show(this.canvas, { announce: this.page.announce });
    } else {
      this.canvas.classList.add("pixels");
      this.canvas.setAttribute("role", "img");
      this.canvas.setAttribute("aria-label", "The picture that is changed");
      this.given.replaceChildren(this.canvas);
    }
    this.page.announce(`Picture taken, ${this.note.textContent}`);
  }

  /** A picture for those who have none at hand: shapes on a gradient. */
  async drawSample() {
    const canvas = h("canvas", { width: 256, height: 256 });
    const context = canvas.getContext("2d");
    const sky = context.createLinearGradient(0, 0, 0, 256);
    sky.addColorStop(0, "#2b4c8c");
    sky.addColorStop(1, "#f0b070");
    context.fillStyle = sky;
    context.fillRect(0, 0, 256, 256);
    context.fillStyle = "#f8e08a";
    context.beginPath();
    context.arc(176, 84, 34, 0, 2 * Math.PI);
    context.fill();
    context.fillStyle = "#24382c";
    context.beginPath();
    context.moveTo(0, 256);
    context.lineTo(84, 120);
    context.lineTo(150, 210);
    context.lineTo(196, 160);
    context.lineTo(256, 256);
    context.fill();
    await this.take(await fileOf(canvas));
  }

  async make(signal) {
    const { page } = this;
    if (!this.canvas) throw new RangeError("Choose a picture first");
    if (this.maskField && !this.editor.mask.share) throw new RangeError("Paint the hole first: what is painted is filled");
    if (this.controls.problem()) return "";
    this.controls.renew();
    const count = wholeNumber(this.count, "Pictures");
    const fields = { model: page.model.id, ...this.controls.values(), n: count };
    const form = await this.form(fields);
    const tiles = Array.from({ length: count }, () => h("litho-picture"));
    this.made.replaceChildren(...tiles);
    this.made.dataset.count = String(Math.min(2, count));
    this.code.replaceChildren();
    tiles.forEach((tile) => tile.wait(""));
    // On a phone the result is far below the button.
    if (matchMedia("(max-width: 52rem)").matches) this.made.scrollIntoView({ block: "center" });
    page.announce(count === 1 ? "Drawing one picture" : `Drawing ${count} pictures`);
    try {
      const pictures = await patiently(() => this.send(form, tiles, signal), signal);
      pictures.forEach((picture, index) => this.finish(tiles[index], picture, index));
      this.code.replaceChildren(editCode(fields, Boolean(this.maskField), page.announce));
      return `Made in ${pictures[pictures.length - 1].seconds.toFixed(2)} s`;
    } finally {
      for (const tile of tiles) if (tile.dataset.state !== "finished") tile.fail("not made");
    }
  }

  async form(fields) {
    const form = new FormData();
    form.set("image", await fileOf(this.canvas), "picture.png");
    if (this.maskField) form.set("mask", await this.editor.blob(), "mask.png");
    for (const [name, value] of Object.entries(fields)) {
      form.set(name, typeof value === "object" ? JSON.stringify(value) : String(value));
    }
    return form;
  }

  send(form, tiles, signal) {
    if (!this.page.model.litho.decoupled) return edit(form, { signal });
    form.set("partial_images", "3");
    return stream(form, {
      signal,
      onPartial: ({ index, blob, number: preview }) => tiles[index]?.preview(blob, `preview ${preview + 1}`),
    });
  }

  finish(tile, picture, index) {
    this.urls.push(picture.url);
    picture.title = "edited";
    picture.alt = ["the changed picture", picture.seed && `seed ${picture.seed}`].filter(Boolean).join(", ");
    tile.finish(picture, { caption: picture.seed ? `seed ${picture.seed}` : "", alt: picture.alt });
    tile.append(h("div.actions", {},
      h("button.button", { type: "button", on: { click: () => save(picture.blob, fileName(picture, this.page.model.id)) } },
        icon("download"), "Download"),
      h("button.button.quiet", { type: "button", "aria-label": `Edit result ${index + 1} further`, on: { click: () => this.take(picture.blob) } },
        "Edit this one")), this.receiptPart(picture));
  }

  receiptPart({ receipt }) {
    if (!receipt) return "";
    const rows = receiptRows(receipt).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]);
    return h("details", {}, h("summary", {}, "Receipt"), h("dl.facts", {}, rows));
  }

  close() {
    this.work.stop();
    this.upload.close();
    this.urls.forEach((url) => URL.revokeObjectURL(url));
    Object.assign(this.page.memory, { model: this.page.model.id, values: this.controls.remembered(), count: this.count.value });
  }
}

registerView({
  id: "edit",
  title: "Edit",
  order: 20,
  style: "edit.css",
  missing(model, models) {
    if (fieldOf(model, "image")) return "";
    const others = models.filter((one) => fieldOf(one, "image")).map((one) => one.id);
    return others.length ? `${model.id} takes no picture: choose ${others.join(" or ")}.` : `${model.id} takes no picture, and no other model here does.`;
  },
  open(element, page) {
    const view = new Edit(element, page);
    return () => view.close();
  },
});
