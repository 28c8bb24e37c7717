/** Directions of latent space: what changes along each, as a strip, and with a slider where a served model takes a latent. */

import { moved, nested, sizeOf } from "../calculations/latent.js";
import { gaussian } from "../calculations/noise.js";
import { seeds } from "../calculations/tables.js";
import { fieldOf } from "../controls.js";
import { h, freshId } from "../dom.js";
import { labelled, line } from "./fields.js";
import { onePicture } from "./requests.js";

const METHODS = { ganspace: "GANSpace", sefa: "SeFa" };

export class Directions {
  #stopped = new AbortController();
  #busy = false;
  #again = false;
  #picture = null;

  /**
   * @param {import("../registry.js").Page} page
   * @param {object} document of `explanation.json`
   * @param {(name: string) => string} addressOf a picture's address from its file name
   */
  constructor(page, document, addressOf) {
    this.page = page;
    this.directions = document.directions;
    this.starts = document.starting_points;
    this.addressOf = addressOf;
    this.model = this.#drawer();
    this.sliders = this.directions.map((direction) => this.#slider(direction));
    const list = h("ul.list", {}, this.directions.map((direction, index) => this.#item(direction, index)));
    this.element = h("section.directions", {}, h("h2", {}, "Directions of latent space"),
      this.model ? h("div.beside", {}, this.#livePart(), list) : [h("p.hint", {}, "No served model with these weights takes a latent, so there is nothing to move:"
        + " the strips show what was drawn at the evaluation. A bundle made by 'litho export RUN --input latent' can be moved."), list]);
    if (this.model) this.draw();
  }

  /** The model that draws a moved latent: the chosen one, or one of the same weights. */
  #drawer() {
    const { model, models } = this.page;
    const size = this.directions[0].vector.length;
    const able = (one) => { const field = fieldOf(one, "latent"); return field && sizeOf(field.shape) === size; };
    return able(model) ? model : models.find((one) => model.litho.variants.includes(one.id) && able(one)) ?? null;
  }

  #slider(direction) {
    const [least, most] = [direction.amounts[0], direction.amounts[direction.amounts.length - 1]];
    const input = h("input", { type: "range", id: freshId("amount"), min: least, max: most, step: (most - least) / 60, value: "0",
      on: { input: () => { output.textContent = this.#worded(input); this.draw(); } } });
    const output = h("output", { htmlFor: input.id }, "0");
    return { input, output };
  }

  #worded(input) {
    return Number(input.value).toFixed(1).replace("-0.0", "0.0").replace("-", "−");
  }

  #livePart() {
    const latent = fieldOf(this.model, "latent");
    this.controls = h("litho-controls");
    this.controls.show(this.model, { except: [latent.name], values: this.starts[0]?.label === null ? {} : { label: this.starts[0]?.label } });
    this.controls.addEventListener("controls-change", () => this.draw());
    this.seed = line(String(this.starts[0]?.seed ?? 1), { inputMode: "numeric", on: { input: () => this.draw() } });
    this.tile = h("litho-picture");
    this.wrong = h("p.wrong", { role: "alert", hidden: true });
    const reset = () => {
      for (const { input, output } of this.sliders) { input.value = "0"; output.textContent = "0"; }
      this.draw();
    };
    return h("div.live.panel", {}, this.tile, h("div", {}, labelled("Seed to start from", this.seed), this.wrong, this.controls,
      h("button.button", { type: "button", on: { click: reset } }, "All sliders to 0"),
      this.model === this.page.model ? "" : h("p.hint", {}, `Drawn by ${this.model.id}, which has the same weights and takes a latent.`)));
  }

  #item(direction, index) {
    const { input, output } = this.sliders[index];
    const title = direction.describes ? `${direction.describes} (${direction.name})` : direction.name;
    const facts = [METHODS[direction.method] ?? direction.method, `weight ${(direction.weight * 100).toFixed(1)} %`,
      `changes the picture by ${direction.change.toFixed(1)} grey levels, a random direction by ${direction.random_change.toFixed(1)}`];
    if (direction.label_kept !== null && direction.label_kept !== undefined) {
      facts.push(`the class stays in ${Math.round(direction.label_kept * 100)} % of the pictures`);
    }
    const name = h("div.row", {}, this.model ? h("label", { htmlFor: input.id }, title) : h("strong", {}, title), this.model ? output : "");
    return h("li", {}, name, this.model ? input : "",
      h("img.strip.pixels", { src: this.addressOf(direction.strip), alt: `Pictures along ${title}, from ${direction.amounts[0]} to ${direction.amounts[direction.amounts.length - 1]}`, loading: "lazy" }),
      h("p.hint", {}, `${facts.join("; ")}.`));
  }

  /** Draw what the sliders say; while one picture is being made, only the last wish is remembered. */
  async draw() {
    if (this.#busy) {
      this.#again = true;
      return;
    }
    this.#busy = true;
    try {
      do {
        this.#again = false;
        await this.#once();
      } while (this.#again && !this.#stopped.signal.aborted);
    } finally {
      this.#busy = false;
    }
  }

  async #once() {
    const field = fieldOf(this.model, "latent");
    try {
      const [seed] = seeds(this.seed.value, 1);
      this.wrong.hidden = true;
      const amounts = this.sliders.map(({ input }) => Number(input.value));
      const latent = moved(gaussian(seed, sizeOf(field.shape)), this.directions.map((one) => one.vector), amounts);
      if (this.controls.problem()) return;
      const body = { model: this.model.id, ...this.controls.values(), [field.name]: nested(latent, field.shape) };
      const picture = await onePicture(body, this.#stopped.signal);
      if (this.#picture) URL.revokeObjectURL(this.#picture.url);
      this.#picture = picture;
      picture.title = `seed ${seed}, moved`;
      picture.alt = picture.title;
      this.tile.finish(picture, { caption: `from seed ${seed}`, alt: picture.alt, open: this.page.showPicture });
    } catch (error) {
      if (error instanceof RangeError) {
        this.wrong.textContent = error.message;
        this.wrong.hidden = false;
      } else if (!this.#stopped.signal.aborted) this.page.showError(error);
    }
  }

  close() {
    this.#stopped.abort();
    if (this.#picture) URL.revokeObjectURL(this.#picture.url);
  }
}
