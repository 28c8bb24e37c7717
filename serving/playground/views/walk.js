/** A walk through latent space: from the noise of one seed to that of the next, with a scrubber. */

import { nested, sizeOf, walk } from "../calculations/latent.js";
import { gaussian } from "../calculations/noise.js";
import { inTurn, seeds } from "../calculations/tables.js";
import { fieldOf, newSeed } from "../controls.js";
import { h, icon } from "../dom.js";
import { labelled, line, number, tick, wholeNumber } from "../pieces/fields.js";
import { AT_ONCE, onePicture } from "../pieces/requests.js";
import { Scrubber } from "../pieces/scrubber.js";
import { Work } from "../pieces/work.js";
import { registerView } from "../registry.js";

const MOST_ANCHORS = 12;
const MOST_FRAMES = 240;

/** The seeds that a walk passes, each with its own line. */
class Anchors {
  constructor(values) {
    this.list = h("ol.anchors", {});
    this.add = h("button.button", { type: "button", on: { click: () => this.append(newSeed(), true) } }, "Add a seed");
    this.element = h("fieldset.field", {}, h("legend", {}, "Seeds to pass"), this.list, this.add);
    for (const value of values) this.append(value);
  }

  get inputs() {
    return [...this.list.querySelectorAll("input")];
  }

  get values() {
    return this.inputs.map((input) => input.value.trim());
  }

  append(value, focus = false) {
    const input = line(value, { inputMode: "numeric" });
    const item = h("li", {}, h("div.combined", {}, input,
      h("button.button.icon-only", { type: "button", title: "Another seed", "aria-label": "Another seed", on: { click: () => { input.value = newSeed(); } } }, icon("dice")),
      h("button.button.quiet.icon-only.remove", { type: "button", title: "Leave it out", "aria-label": "Leave this seed out", on: { click: () => this.remove(item) } }, icon("close"))));
    this.list.append(item);
    this.changed();
    if (focus) input.focus();
  }

  remove(item) {
    item.remove();
    this.changed();
    this.add.focus();
  }

  changed() {
    this.inputs.forEach((input, index) => input.setAttribute("aria-label", `Seed ${index + 1}`));
    for (const button of this.list.querySelectorAll(".remove")) button.disabled = this.inputs.length <= 2;
    this.add.disabled = this.inputs.length >= MOST_ANCHORS;
  }

  /** @throws {RangeError} one of them is no seed */
  read() {
    return this.inputs.map((input) => {
      try {
        return seeds(input.value, 1)[0];
      } catch (error) {
        input.focus();
        throw error;
      }
    });
  }
}

function positionOf(frame, anchors) {
  if (frame.share === 0) return `seed ${anchors[frame.from]}`;
  return `${Math.round(frame.share * 100)} % of the way from seed ${anchors[frame.from]} to seed ${anchors[frame.to]}`;
}

/** Numbers of frames in the order that they are made: those at seeds first, then halves of what is between. */
function coarseFirst(count, steps) {
  const order = new Set();
  for (let gap = steps; gap >= 1; gap = gap > 1 ? Math.ceil(gap / 2) : 0) {
    for (let index = 0; index < count; index += gap) order.add(index);
  }
  return [...order];
}

registerView({
  id: "walk",
  title: "Latent walk",
  order: 30,
  style: "walk.css",
  missing(model, models) {
    if (fieldOf(model, "latent")) return "";
    const other = models.find((one) => model.litho.variants.includes(one.id) && fieldOf(one, "latent"));
    if (other) {
      return `${model.id} takes a seed, and between two seeds there is nothing: choose ${other.id}, which has the same`
        + " weights and takes the latent itself.";
    }
    if (!fieldOf(model, "seed")) return `${model.id} takes no latent: there is nothing to walk through.`;
    return `${model.id} takes a seed, and between two seeds there is nothing. A bundle that takes the latent itself,`
      + " made by 'litho export RUN --input latent', can be walked through.";
  },
  open(element, page) {
    const { model, memory } = page;
    const field = fieldOf(model, "latent");
    const anchors = new Anchors(memory.anchors ?? ["1", "2", "3"]);
    const steps = number(memory.steps ?? 12, 1, 60);
    const closed = tick("Return to the first", memory.closed ?? true);
    const controls = h("litho-controls");
    controls.show(model, { except: [field.name], values: memory.model === model.id ? memory.values : {} });
    const results = h("section.results", { "aria-label": "Results" },
      h("p.empty", {}, "The walk goes from the noise of one seed to that of the next, on an arc, so that it stays where the"
        + " model was trained."));
    let scrubber = null;
    const work = new Work(page, "Make the walk", async (signal) => {
      const [passed, between] = [anchors.read(), wholeNumber(steps, "Frames from one seed to the next")];
      if (controls.problem()) return "";
      const frames = walk(passed.map((seed) => gaussian(seed, sizeOf(field.shape))), between, closed.input.checked);
      if (frames.length > MOST_FRAMES) throw new RangeError(`the walk has ${frames.length} frames; at most ${MOST_FRAMES} are drawn`);
      const fixed = { model: model.id, ...controls.values() };
      scrubber?.close();
      scrubber = new Scrubber(page, frames.map((frame) => positionOf(frame, passed)), { every: between, speed: memory.speed ?? "12" });
      results.replaceChildren(scrubber.element);
      page.announce(`Drawing ${frames.length} frames`);
      let finished = 0;
      await inTurn(coarseFirst(frames.length, between).map((index) => async (stopped) => {
        const body = { ...fixed, [field.name]: nested(frames[index].latent, field.shape) };
        scrubber.set(index, await onePicture(body, stopped));
        finished += 1;
        work.say(`${finished} of ${frames.length} frames`);
      }), AT_ONCE, signal);
      return `${frames.length} frames`;
    });
    element.append(h("div.split", {},
      h("form.panel", { noValidate: true, on: { submit: work.pressed } }, h("h2.hidden", {}, "Settings"), anchors.element,
        labelled("Frames from one seed to the next", steps), h("div.field", {}, closed.element), controls,
        work.wrong, work.button, work.status),
      results));
    return () => {
      work.stop();
      scrubber?.close();
      Object.assign(memory, {
        model: model.id, anchors: anchors.values, steps: steps.value, closed: closed.input.checked,
        speed: scrubber?.speed.value ?? memory.speed,
        values: controls.remembered(),
      });
    };
  },
});
