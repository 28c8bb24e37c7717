/** The first view: settings on one side, a grid of pictures on the other, and the history below. */

import { stream } from "../api.js";
import { fieldOf } from "../controls.js";
import { h, freshId, icon } from "../dom.js";
import * as history from "../history.js";
import { fileName, save, thumbnail } from "../picture.js";
import { registerView } from "../registry.js";

const MOST_PICTURES = 10;
const BEST_QUALITY = 100;
const FORMATS = [["png", "PNG"], ["webp", "WebP"], ["jpeg", "JPEG"]];

/** What a picture shows, in words: of its label, else of its prompt. */
function subject(model, body) {
  const label = fieldOf(model, "label");
  if (label && body[label.name] !== undefined) return label.class_names?.[body[label.name]] ?? String(body[label.name]);
  return body.prompt ?? model.id;
}

function choice(title, options, chosen) {
  const select = h("select", { id: freshId("choice") }, options.map(([value, text]) =>
    h("option", { value, selected: value === chosen }, text)));
  return { select, element: h("div.field.small", {}, h("label", { htmlFor: select.id }, title), select) };
}

function stepper(title, value, most) {
  const input = h("input.number", { type: "number", id: freshId("count"), min: 1, max: most, step: 1, value: String(value) });
  const step = (by) => () => {
    input.value = String(Math.min(most, Math.max(1, Number(input.value) + by)));
    input.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const button = (text, by, label) => h("button.button.icon-only", { type: "button", "aria-label": label, on: { click: step(by) } }, text);
  return {
    input,
    element: h("div.field.small", {}, h("label", { htmlFor: input.id }, title),
      h("div.combined", {}, button("−", -1, "One picture less"), input, button("+", 1, "One picture more"))),
  };
}

/** Of the formats that lose something; a WebP of 100 loses nothing. */
function quality(value, format) {
  const shown = h("output.hint", {}, String(value));
  const input = h("input", { type: "range", id: freshId("quality"), min: 0, max: BEST_QUALITY, step: 1, value: String(value) });
  input.addEventListener("input", () => { shown.textContent = input.value; });
  const element = h("div.field", {}, h("div.row", {}, h("label", { htmlFor: input.id }, "Quality"), shown), input);
  const fits = () => { element.hidden = format.value === "png"; };
  format.addEventListener("change", fits);
  fits();
  return { input, element };
}

class Generate {
  constructor(element, page) {
    this.page = page;
    this.stopped = null;
    const { model } = page;
    const memory = page.memory[model.id] ?? {};
    this.controls = h("litho-controls");
    this.controls.show(model, { values: { ...memory.values, ...page.handover?.body } });
    // Without a seed all pictures of a request are the same one.
    this.most = fieldOf(model, "seed") ? Math.min(MOST_PICTURES, model.litho.most_pictures) : 1;
    this.count = stepper("Pictures", Math.min(this.most, page.handover ? 1 : memory.count ?? 4), this.most);
    this.format = choice("Format", FORMATS, memory.format ?? "png");
    this.quality = quality(memory.quality ?? BEST_QUALITY, this.format.select);
    this.previews = h("input", { type: "checkbox", checked: memory.previews ?? true });
    this.button = h("button.button.primary.go", { type: "submit" }, "Generate");
    this.grid = h("div.grid", { role: "group", "aria-label": "Pictures" });
    this.status = h("div.status", {}, "");
    this.same = page.handover?.pixels ?? null;
    this.film = h("div", {});
    this.draw(element);
    this.unlisten = history.onChange(() => this.drawHistory());
    this.drawHistory();
    if (page.handover) this.make();
  }

  draw(element) {
    const { model } = this.page;
    const size = model.litho.signature.output;
    const [height, width] = size.shape[0] > 0 ? size.shape : size.usual_size;
    const form = h("form.panel", { noValidate: true, on: { submit: (event) => { event.preventDefault(); this.press(); } } },
      h("h2.hidden", {}, "Settings"), this.controls,
      h("div.pair", {}, this.most > 1 ? this.count.element : "", this.format.element),
      this.quality.element,
      model.litho.decoupled ? h("label.check", {}, this.previews, "Previews while it is drawn") : "",
      h("div.bottom", {}, this.button));
    element.append(h("div.split", {}, form,
      h("section.results", { "aria-label": "Results" }, this.status, this.grid)), this.film);
    this.status.textContent = `${model.id} draws pictures of ${width}×${height} pixels. The same seed always gives the same picture.`;
    this.grid.classList.toggle("alpha", size.shape[2] % 2 === 0);
    this.grid.style.setProperty("--most", `${8 * Math.max(width, 20)}px`);
    const ghosts = () => {
      if (this.grid.querySelector("litho-picture:not([data-state=ghost])")) return;
      this.tiles(Number(this.count.input.value) || 1).forEach((tile) => tile.empty([height, width]));
    };
    ghosts();
    form.addEventListener("input", ghosts);
    form.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
  }

  /** A new grid; the pictures of the last one are let go. */
  tiles(count) {
    this.free();
    const tiles = Array.from({ length: Math.min(count, MOST_PICTURES) }, () => h("litho-picture"));
    this.grid.replaceChildren(...tiles);
    this.grid.dataset.count = String(tiles.length);
    return tiles;
  }

  /** The button begins, and ends what it began. */
  press() {
    if (this.stopped) this.stopped.abort();
    else this.make();
  }

  body() {
    this.controls.renew();
    const body = { model: this.page.model.id, ...this.controls.values(), n: Number(this.count.input.value) };
    if (this.format.select.value !== "png") {
      body.output_format = this.format.select.value;
      const value = Number(this.quality.input.value);
      if (value < BEST_QUALITY) body.output_compression = value;
    }
    if (this.page.model.litho.decoupled && this.previews.checked) body.partial_images = 3;
    return body;
  }

  async make() {
    const { page } = this;
    page.clearError();
    if (this.controls.problem() || !this.count.input.reportValidity()) return;
    const body = this.body();
    const tiles = this.tiles(body.n);
    tiles.forEach((tile) => tile.wait(""));
    this.begin(tiles.length);
    const begun = performance.now();
    let finished = 0;
    try {
      const pictures = await stream(body, {
        signal: this.stopped.signal,
        onPartial: ({ index, blob, number }) => tiles[index]?.preview(blob, `preview ${number + 1}`),
        onPicture: (picture, index) => {
          finished += 1;
          this.finish(tiles[index], picture, body);
          this.status.textContent = `${finished} of ${tiles.length}`;
        },
      });
      await this.keep(pictures, body);
      this.done(pictures, (performance.now() - begun) / 1000);
    } catch (error) {
      this.failed(error, tiles);
    } finally {
      this.end();
    }
  }

  begin(count) {
    this.stopped = new AbortController();
    this.button.replaceChildren(icon("stop"), "Stop");
    this.status.textContent = `0 of ${count}`;
    this.page.announce(count === 1 ? "Drawing one picture" : `Drawing ${count} pictures`);
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (matchMedia("(max-width: 52rem)").matches) this.grid.closest(".results").scrollIntoView({ behavior: still ? "auto" : "smooth", block: "start" });
  }

  end() {
    this.stopped = null;
    this.button.replaceChildren("Generate");
  }

  finish(tile, picture, body) {
    const { page } = this;
    const what = subject(page.model, body);
    picture.title = what;
    picture.alt = [what, picture.seed && `seed ${picture.seed}`].filter(Boolean).join(", ");
    const small = (drawing, label, click) => h("button.button.quiet.icon-only", {
      type: "button", title: label, "aria-label": `${label}: ${picture.alt}`, on: { click },
    }, icon(drawing));
    const actions = [small("download", "Download", () => save(picture.blob, fileName(picture, body.model)))];
    if (picture.seed) actions.unshift(small("seed", "Keep this seed", () => this.controls.set({ seed: picture.seed })));
    tile?.finish(picture, { caption: picture.seed ? `seed ${picture.seed}` : "", alt: picture.alt, open: page.showPicture, actions });
  }

  done(pictures, seconds) {
    const made = `${pictures.length === 1 ? "1 picture" : `${pictures.length} pictures`} in ${seconds.toFixed(2)} s`;
    const text = this.same ? `${made}. ${this.sameAsBefore(pictures[0])}` : made;
    this.same = null;
    const all = () => pictures.forEach((picture) => save(picture.blob, fileName(picture, this.page.model.id)));
    this.status.replaceChildren(h("span", {}, text), pictures.length > 1
      ? h("button.button.quiet", { type: "button", on: { click: all } }, icon("download"), "Download all") : "");
    this.page.announce(text);
  }

  /** A picture that was made again has the pixels of its receipt. */
  sameAsBefore(picture) {
    const now = picture.receipt?.pixels_sha256;
    if (!now) return "";
    return now === this.same ? "The same picture again, in every pixel." : "Not the same pixels as before.";
  }

  failed(error, tiles) {
    const stopped = error.name === "AbortError";
    for (const tile of tiles) if (tile.dataset.state !== "finished") tile.fail(stopped ? "stopped" : "not made");
    this.status.textContent = stopped ? "Stopped" : "";
    if (stopped) this.page.announce("Stopped");
    this.page.showError(error, error.passing ? () => this.make() : undefined);
  }

  async keep(pictures, body) {
    const { n, partial_images, ...rest } = body;
    for (const picture of [...pictures].reverse()) { // the first of them is the first in the list
      const small = await thumbnail(picture.blob);
      history.add({ model: body.model, title: picture.title, body: rest, seed: picture.seed, receipt: picture.receipt, thumbnail: small });
    }
  }

  drawHistory() {
    const entries = history.list();
    if (!entries.length) return this.film.replaceChildren();
    const open = (entry) => () => this.page.showPicture({
      url: entry.thumbnail, body: entry.body, seed: entry.seed, receipt: entry.receipt, title: entry.title,
    });
    this.film.replaceChildren(h("section.history", {},
      h("div.row", {}, h("h2", { id: "history-title" }, "History"),
        h("button.button.quiet", { type: "button", on: { click: () => history.clear() } }, icon("trash"), "Clear")),
      h("ul.film", { "aria-labelledby": "history-title" }, entries.map((entry) => h("li", {},
        h("button", { type: "button", title: `${entry.model}, ${entry.title ?? ""}`, on: { click: open(entry) } },
          h("img.pixels", { src: entry.thumbnail, alt: `${entry.title ?? entry.model}, seed ${entry.seed}`, loading: "lazy" })))))));
    return undefined;
  }

  free() {
    for (const tile of this.grid.querySelectorAll("litho-picture")) if (tile.picture) URL.revokeObjectURL(tile.picture.url);
  }

  /** Stop, and remember the settings for the next time that the view opens. */
  close() {
    this.stopped?.abort();
    this.free();
    this.unlisten();
    this.page.memory[this.page.model.id] = {
      values: this.controls.remembered(), count: Number(this.count.input.value), format: this.format.select.value,
      quality: Number(this.quality.input.value),
      previews: this.previews.checked,
    };
  }
}

registerView({
  id: "generate",
  title: "Generate",
  order: 10,
  missing: (model) => (model.litho.signature.inputs.some((field) => field.role === "image")
    ? `${model.id} starts from a picture: give it one under Edit.` : ""),
  open(element, page) {
    const view = new Generate(element, page);
    return () => view.close();
  },
});
