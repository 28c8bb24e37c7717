/** Two models, or two variants of one, side by side: what they draw from the same request, how it differs, how fast. */

import { nested, sizeOf } from "../calculations/latent.js";
import { gaussian } from "../calculations/noise.js";
import { agreement, difference, SAME_PICTURE } from "../calculations/pixels.js";
import { fieldOf } from "../controls.js";
import { h, freshId } from "../dom.js";
import { choice, labelled, number, wholeNumber } from "../pieces/fields.js";
import { onePicture, subjectOf } from "../pieces/requests.js";
import { Work } from "../pieces/work.js";
import { pixelsOf } from "../picture.js";
import { registerView } from "../registry.js";

const MOST_TIMES = 20;
const NAMES = ["A", "B"];
const CONTRACT = `At FP32 one seed gives the same picture: at most ${SAME_PICTURE.levels} grey level apart, at least`
  + ` ${SAME_PICTURE.share * 100} % of the pixels identical. Lower precisions promise what their grade says.`;

function median(values) {
  const sorted = [...values].sort((one, other) => one - other);
  const half = sorted.length / 2;
  return sorted.length % 2 ? sorted[Math.floor(half)] : (sorted[half - 1] + sorted[half]) / 2;
}

/** Whether a picture is made from words or numbers alone. */
function drawsFromFields(model) {
  return !model.litho.signature.inputs.some((field) => field.role === "image");
}

/** Names of the fields that both models have and that mean the same. */
function commonNames(first, second) {
  const same = (one, other) => one.name === other.name && one.role === other.role && one.dtype === other.dtype
    && String(one.shape) === String(other.shape) && String(one.class_names) === String(other.class_names);
  return first.litho.signature.inputs
    .filter((field) => second.litho.signature.inputs.some((other) => same(field, other)))
    .map((field) => field.name);
}

/** The latent that one of two models takes where the other takes a seed: it is made from the seed, as in a graph. */
function bridgeOf(models) {
  const [taker, giver] = fieldOf(models[0], "latent") ? models : [models[1], models[0]];
  const [latent, seed] = [fieldOf(taker, "latent"), fieldOf(giver, "seed")];
  const needed = latent && seed && !fieldOf(taker, "seed") && !fieldOf(giver, "latent");
  return needed ? { latent, seed } : null;
}

/** The other model that is proposed first: a variant, else any. */
function proposal(model, models) {
  const others = models.filter((one) => one !== model && drawsFromFields(one));
  return others.find((one) => model.litho.variants.includes(one.id) && commonNames(model, one).includes("seed"))
    ?? others.find((one) => model.litho.variants.includes(one.id)) ?? others[0];
}

class Compare {
  constructor(element, page) {
    this.page = page;
    const { memory, model, models } = page;
    const usable = models.filter(drawsFromFields);
    const options = usable.map((one) => [one.id, one.id]);
    const before = usable.find((one) => one.id === memory.second && one !== model);
    this.selects = [choice(options, model.id), choice(options, (before ?? proposal(model, models)).id)];
    this.selects.forEach((select) => select.addEventListener("change", () => this.drawControls()));
    this.controls = [h("litho-controls"), h("litho-controls"), h("litho-controls")];
    this.parts = h("div", {});
    this.times = number(memory.times ?? 5, 1, MOST_TIMES);
    this.amplification = h("input", {
      type: "range", id: freshId("amplification"), min: 1, max: 64, step: 1, value: String(memory.amplification ?? 16),
      on: { input: () => this.drawDifference() },
    });
    this.results = h("section.results", { "aria-label": "Results" },
      h("p.empty", {}, "Both get the same request, in turns, one at a time."));
    this.pictures = [];
    this.work = new Work(page, "Compare", (signal) => this.make(signal));
    element.append(h("div.split", {},
      h("form.panel", { noValidate: true, on: { submit: this.work.pressed } }, h("h2.hidden", {}, "Settings"),
        labelled("A", this.selects[0]), labelled("B", this.selects[1]), this.parts,
        labelled("Times each", this.times, "The latency is the median, seen from this page."),
        this.work.wrong, this.work.button, this.work.status),
      this.results));
    this.drawControls();
  }

  get models() {
    return this.selects.map((select) => this.page.models.find((one) => one.id === select.value));
  }

  /** Controls that both share first, then what only one of them takes. */
  drawControls() {
    const { models, page } = this;
    const [common, a, b] = this.controls;
    const values = { ...page.memory.values, ...this.values() };
    const shared = commonNames(...models);
    const bridge = bridgeOf(models);
    const alone = models.map((model) => model.litho.signature.inputs.map((field) => field.name)
      .filter((name) => !shared.includes(name) && name !== bridge?.latent.name));
    common.show(models[0], { only: shared, values });
    a.show(models[0], { only: alone[0], values });
    b.show(models[1], { only: alone[1], values });
    const part = (index, controls) => (alone[index].length
      ? h("fieldset.bare", {}, h("legend", {}, bridge ? "" : `Only ${models[index].id}`), controls) : "");
    this.parts.replaceChildren(common, part(0, a), part(1, b),
      bridge ? h("p.hint", {}, "The latent of one is made from the seed of the other, as its graph does.") : "");
  }

  /** What all controls say, for those that are drawn next. */
  values() {
    return Object.assign({}, ...this.controls.map((controls) => controls.remembered()));
  }

  /** The requests of A and B. */
  bodies() {
    const { models } = this;
    for (const controls of this.controls) controls.renew();
    const [common, ...alone] = this.controls.map((controls) => controls.values());
    const bodies = models.map((model, index) => ({ model: model.id, ...common, ...alone[index] }));
    const bridge = bridgeOf(models);
    if (bridge) {
      const taker = fieldOf(models[0], "latent") ? 0 : 1;
      const noise = gaussian(bodies[1 - taker][bridge.seed.name], sizeOf(bridge.latent.shape));
      bodies[taker][bridge.latent.name] = nested(noise, bridge.latent.shape);
    }
    return bodies;
  }

  async make(signal) {
    const { page, models } = this;
    if (models[0] === models[1]) throw new RangeError("A and B are the same model; choose two different ones");
    const times = wholeNumber(this.times, "Times each");
    if (this.controls.some((controls) => controls.problem())) return "";
    const bodies = this.bodies();
    const seconds = [[], []];
    const pictures = [];
    this.release();
    this.results.replaceChildren(h("div.three", {}, h("litho-picture"), h("litho-picture")));
    page.announce(`Drawing with ${models[0].id} and ${models[1].id}`);
    this.pictures = pictures;
    try {
      for (let turn = 0; turn < times; turn += 1) {
        // Who begins changes: neither always finds the server as the other has left it.
        for (const side of turn % 2 ? [1, 0] : [0, 1]) {
          const picture = await onePicture(bodies[side], signal);
          seconds[side].push(picture.seconds);
          if (pictures[side]) URL.revokeObjectURL(picture.url);
          else pictures[side] = picture;
        }
        this.work.say(`${turn + 1} of ${times}`);
      }
    } catch (error) {
      for (const tile of this.results.querySelectorAll("litho-picture")) tile.fail("not made");
      throw error;
    }
    await this.show(models, bodies, seconds.map(median));
    page.announce(this.verdict.textContent);
    return "";
  }

  async show(models, bodies, latencies) {
    const { page, pictures } = this;
    this.pixels = await Promise.all(pictures.map((picture) => pixelsOf(picture.blob)));
    const [first, second] = this.pixels;
    const comparable = first.width === second.width && first.height === second.height;
    this.found = comparable ? agreement(first.data, second.data) : null;
    this.verdict = h("p.verdict", {}, this.words());
    this.verdict.dataset.same = String(Boolean(this.found?.same));
    const tiles = pictures.map((picture, side) => {
      picture.title = `${NAMES[side]}: ${models[side].id}`;
      picture.alt = `${models[side].id}: ${subjectOf(models[side], bodies[side])}`;
      const tile = h("litho-picture");
      tile.finish(picture, { caption: `${NAMES[side]}: ${models[side].id}`, alt: picture.alt, open: page.showPicture });
      return tile;
    });
    this.results.replaceChildren(this.verdict, h("p.hint", {}, CONTRACT),
      h("div.three", {}, tiles, comparable ? this.differencePart(first) : ""), this.table(models, latencies));
    if (comparable) this.drawDifference();
  }

  words() {
    if (!this.found) return "The pictures have different sizes: there is no difference to show.";
    const { same, largest, identical, psnr } = this.found;
    if (largest === 0) return "The same picture: all pixels are identical.";
    const figures = `${(Math.floor(identical * 1e4) / 100).toFixed(2)} % of the pixels are identical, and the largest difference is`
      + ` ${largest} of 255 grey levels (PSNR ${psnr.toFixed(1)} dB).`;
    return same ? `The same picture: ${figures}` : `Not the same to the pixel: ${figures}`;
  }

  differencePart({ width, height }) {
    this.canvas = h("canvas.pixels", { width, height, role: "img" });
    this.factor = h("output", { htmlFor: this.amplification.id }, "");
    return h("figure.difference", {}, h("div.frame", {}, this.canvas), h("figcaption", {}, "Difference"),
      h("div.row", {}, h("label", { htmlFor: this.amplification.id }, "Amplified"), this.factor), this.amplification);
  }

  drawDifference() {
    if (!this.canvas || !this.found) return;
    const [first, second] = this.pixels;
    const factor = Number(this.amplification.value);
    const pixels = difference(first.data, second.data, factor);
    this.canvas.getContext("2d").putImageData(new ImageData(pixels, first.width, first.height), 0, 0);
    this.factor.textContent = `${factor} times`;
    this.canvas.setAttribute("aria-label", `Absolute difference, amplified ${factor} times; the largest is ${this.found.largest} grey levels`);
  }

  table(models, latencies) {
    const rows = [
      ["Latency", latencies.map((seconds) => `${(seconds * 1000).toFixed(1)} ms`)],
      ["Grade", models.map((model) => model.litho.grade?.replaceAll("_", " ") || "unknown")],
      ["Precision", models.map((model) => model.litho.precision)],
      ["Variant", models.map((model) => model.litho.variant)],
      ["Version", models.map((model) => model.litho.version)],
    ];
    const id = freshId("facts");
    return h("div.scroll", { role: "region", tabIndex: 0, "aria-labelledby": id }, h("table.facts", {},
      h("caption.hidden", { id }, "Both models"),
      h("thead", {}, h("tr", {}, h("td", {}), models.map((model, side) => h("th", { scope: "col" }, `${NAMES[side]}: ${model.id}`)))),
      h("tbody", {}, rows.map(([title, values]) => h("tr", {}, h("th", { scope: "row" }, title), values.map((value) => h("td", {}, value)))))));
  }

  release() {
    for (const picture of this.pictures) if (picture) URL.revokeObjectURL(picture.url);
    this.pictures = [];
  }

  close() {
    this.work.stop();
    this.release();
    Object.assign(this.page.memory, {
      second: this.selects[1].value, times: this.times.value, amplification: this.amplification.value, values: this.values(),
    });
  }
}

registerView({
  id: "compare",
  title: "Compare",
  order: 60,
  style: "compare.css",
  missing(model, models) {
    if (!drawsFromFields(model)) return `${model.id} starts from a picture: give it one under Edit.`;
    return proposal(model, models) ? "" : "There is only one model that draws without a picture: deploy a second variant to compare it.";
  },
  open(element, page) {
    const view = new Compare(element, page);
    return () => view.close();
  },
});
