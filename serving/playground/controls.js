/**
 * `<litho-controls>`: the controls of a request, drawn from a model's signature.
 *
 *     const controls = h("litho-controls");
 *     controls.show(page.model, { except: ["seed"] });
 *     controls.values()              // {label: 3, truncation: 0.7}: members of a request's body
 *     controls.set({ label: 4 });    // what has no control is left away
 *     controls.problem()             // "" or the first thing that is wrong; its control is marked
 *     controls.addEventListener("controls-change", ...)
 *
 * Pictures that come in (roles image and mask) have no control here: a view that takes them draws its own.
 */

import { gaussian } from "./calculations/noise.js";
import { freshId, h, icon } from "./dom.js";

const MOST_CHIPS = 12;
const MOST_TEXT_BYTES = 4096;
/** Numbers with a wider range have no handle: a pixel would be too many of them. */
const MOST_SPAN = 1000;
const NAMES = {
  seed: "Seed", label: "Class", prompt: "Prompt", negative_prompt: "Without", steps: "Steps", guidance: "Guidance",
  truncation: "Truncation", latent: "Latent",
};
const HINTS = {
  guidance: "How closely the picture keeps to what was asked.",
  truncation: "Less gives more typical and less varied pictures.",
  negative_prompt: "What the picture should not show.",
};
const WITHOUT_A_CONTROL = new Set(["image", "mask"]);

/** A field's name for people: "depth_map" -> "Depth map". */
export function nameOf(field) {
  const words = field.name.replaceAll("_", " ");
  return NAMES[field.name] ?? words[0].toUpperCase() + words.slice(1);
}

/** The input of a role, or undefined. */
export function fieldOf(model, role) {
  return model.litho.signature.inputs.find((field) => field.role === role);
}

/** A seed that a person can read out: nine digits at most. */
export function newSeed() {
  return String(crypto.getRandomValues(new Uint32Array(1))[0] % 1_000_000_000);
}

function labelled(field, input, { beside = null, within = input } = {}) {
  const hint = HINTS[field.name] ? h("p.hint", { id: freshId("hint") }, HINTS[field.name]) : null;
  const wrong = h("p.wrong", { id: freshId("wrong"), hidden: true });
  input.id ||= freshId(field.name);
  input.setAttribute("aria-describedby", [hint?.id, wrong.id].filter(Boolean).join(" "));
  const label = h("label", { htmlFor: input.id }, nameOf(field));
  return { element: h("div.field", {}, h("div.row", {}, label, beside), within, hint, wrong), wrong };
}

function marked({ wrong }, input, text) {
  wrong.textContent = text;
  wrong.hidden = !text;
  input.setAttribute("aria-invalid", String(Boolean(text)));
  return text;
}

function seedControl(field) {
  const input = h("input", { type: "text", inputMode: "numeric", autocomplete: "off", spellcheck: false, value: newSeed() });
  const fresh = h("input", { type: "checkbox", checked: true });
  const changed = () => input.dispatchEvent(new Event("input", { bubbles: true }));
  const dice = h("button.button.icon-only", {
    type: "button", title: "Another seed", "aria-label": "Another seed",
    on: { click: () => { input.value = newSeed(); changed(); } },
  }, icon("dice"));
  input.addEventListener("input", (event) => { if (event.isTrusted) fresh.checked = false; });
  const parts = labelled(field, input, { within: h("div.combined", {}, input, dice) });
  parts.element.append(h("label.check", {}, fresh, "A new seed each time"));
  const most = BigInt(field.maximum ?? "9223372036854775807");
  return {
    element: parts.element,
    renew: () => { if (fresh.checked) input.value = newSeed(); },
    remembered: () => (fresh.checked ? undefined : input.value.trim()),
    value: () => input.value.trim() || undefined,
    set: (value) => { input.value = String(value); fresh.checked = false; },
    check: () => {
      const text = input.value.trim();
      const right = /^\d{1,19}$/.test(text) && BigInt(text) <= most;
      return marked(parts, input, right ? "" : `Seed is a whole number from 0 to ${most}.`);
    },
  };
}

function chips(field) {
  const group = freshId(field.name);
  const inputs = field.class_names.map((name, index) =>
    h("input", { type: "radio", name: group, value: String(index), checked: index === 0 }));
  const element = h("fieldset.field", {}, h("legend", {}, nameOf(field)),
    h("div.chips", {}, inputs.map((input, index) => h("label.chip", {}, input, h("span", {}, field.class_names[index])))));
  return {
    element,
    value: () => Number(inputs.find((input) => input.checked).value),
    set: (value) => { const input = inputs[Number(value)]; if (input) input.checked = true; },
    check: () => "",
  };
}

function labelControl(field) {
  if (field.class_names && field.class_names.length <= MOST_CHIPS) return chips(field);
  if (!field.class_names) return numberControl(field);
  const input = h("select", {}, field.class_names.map((name, index) => h("option", { value: String(index) }, name)));
  return { element: labelled(field, input).element, value: () => Number(input.value),
    set: (value) => { if (field.class_names[Number(value)] !== undefined) input.value = String(Number(value)); }, check: () => "" };
}

function textControl(field) {
  const input = h("textarea", { rows: field.role === "prompt" ? 3 : 2, value: field.default ?? "", spellcheck: false, dir: "auto",
    placeholder: field.role === "prompt" ? "What the picture shows" : "" });
  const count = h("span.hint", {});
  const parts = labelled(field, input, { beside: count });
  const bytes = () => new TextEncoder().encode(input.value).length;
  const shown = () => {
    count.textContent = bytes() > MOST_TEXT_BYTES / 2 ? `${bytes()} of ${MOST_TEXT_BYTES} bytes` : "";
  };
  input.addEventListener("input", shown);
  const optional = field.default !== null && field.default !== undefined;
  return {
    element: parts.element,
    value: () => (input.value === "" && optional ? undefined : input.value),
    set: (value) => { input.value = value; shown(); },
    check: () => {
      const long = bytes() > MOST_TEXT_BYTES;
      const missing = !optional && !input.value.trim();
      return marked(parts, input, long ? `A text has at most ${MOST_TEXT_BYTES} bytes; this one has ${bytes()}.`
        : missing ? `${nameOf(field)} is empty: write what the picture shows.` : "");
    },
  };
}

function numberControl(field) {
  const whole = field.dtype !== "FP32";
  const least = field.minimum === null ? null : Number(field.minimum);
  const most = field.maximum === null ? null : Number(field.maximum);
  const span = least !== null && most !== null ? most - least : Infinity;
  const step = whole ? 1 : span <= 2 ? 0.01 : 0.1;
  const start = String(field.default ?? least ?? 0);
  const number = h("input.number", { type: "number", min: least ?? "", max: most ?? "", step: whole ? 1 : "any", value: start });
  // The number is for the keyboard and for screen readers; the range is its handle for a pointer.
  const range = span > MOST_SPAN ? null
    : h("input", { type: "range", min: least, max: most, step, value: start, tabIndex: -1, "aria-hidden": "true" });
  range?.addEventListener("input", () => { number.value = range.value; });
  number.addEventListener("input", () => { if (range) range.value = number.value; });
  const parts = labelled(field, number, { beside: number, within: range });
  const limits = least !== null && most !== null ? `from ${least} to ${most}` : least !== null ? `of at least ${least}` : "";
  return {
    element: parts.element,
    value: () => (number.value === "" ? undefined : Number(number.value)),
    set: (value) => { number.value = String(value); if (range) range.value = String(value); },
    check: () => {
      const value = Number(number.value);
      const empty = number.value === "" && field.default === null;
      const wrong = empty || !Number.isFinite(value) || (whole && !Number.isInteger(value))
        || (number.value !== "" && ((least !== null && value < least) || (most !== null && value > most)));
      return marked(parts, number, wrong ? `${nameOf(field)} is a ${whole ? "whole number" : "number"} ${limits}`.trim() + "." : "");
    },
  };
}

function latentControl(field) {
  const seed = seedControl({ ...field, maximum: null });
  const count = field.shape.reduce((product, extent) => product * extent, 1);
  seed.element.querySelector("label").textContent = "Latent";
  seed.element.append(h("p.hint", {}, `${count} normal numbers, drawn here as a model draws them from this seed.`));
  seed.element.querySelector(".check").lastChild.textContent = "A new latent each time";
  let given = null;
  seed.element.addEventListener("input", () => { given = null; });
  return {
    ...seed,
    remembered: () => given ?? seed.remembered(),
    value: () => given ?? shaped([...gaussian(seed.value() ?? "0", count)], field.shape),
    set: (value) => { if (Array.isArray(value)) given = value; else seed.set(value); },
  };
}

/** Numbers in the nesting of a shape. */
function shaped(numbers, shape) {
  if (shape.length <= 1) return numbers;
  const size = numbers.length / shape[0];
  return Array.from({ length: shape[0] }, (_, row) => shaped(numbers.slice(row * size, (row + 1) * size), shape.slice(1)));
}

function numbersControl(field) {
  const count = field.shape.reduce((product, extent) => product * extent, 1);
  const input = h("textarea", { rows: 3, spellcheck: false, placeholder: `${count} numbers` });
  const parts = labelled(field, input);
  const numbers = () => input.value.split(/[\s,;[\]]+/).filter(Boolean).map(Number);
  return {
    element: parts.element,
    value: () => (input.value.trim() ? shaped(numbers(), field.shape) : undefined),
    set: (value) => { input.value = [value].flat(Infinity).join(" "); },
    check: () => {
      const given = numbers();
      const missing = !given.length && field.default !== null;
      const right = missing || (given.length === count && given.every(Number.isFinite));
      return marked(parts, input, right ? "" : `${nameOf(field)} takes ${count} numbers; ${given.length} are given.`);
    },
  };
}

function controlOf(field) {
  switch (field.role) {
    case "seed": return seedControl(field);
    case "label": return labelControl(field);
    case "latent": return latentControl(field);
    default:
      if (field.dtype === "BYTES") return textControl(field);
      return field.shape.length ? numbersControl(field) : numberControl(field);
  }
}

const ORDER = ["prompt", "label", "condition", "seed", "latent", "steps", "guidance", "truncation"];

export class LithoControls extends HTMLElement {
  #controls = new Map();

  /**
   * Draw the controls of a model.
   *
   * @param {import("./registry.js").Card} model
   * @param {{only?: string[], except?: string[], values?: object}} [options]  names of fields, and values to start with
   */
  show(model, { only, except = [], values = {} } = {}) {
    const fields = model.litho.signature.inputs
      .filter((field) => !WITHOUT_A_CONTROL.has(field.role) && !except.includes(field.name))
      .filter((field) => !only || only.includes(field.name))
      .sort((one, other) => ORDER.indexOf(one.role) - ORDER.indexOf(other.role));
    this.#controls = new Map(fields.map((field) => [field.name, controlOf(field)]));
    this.replaceChildren(...[...this.#controls.values()].map((control) => control.element));
    this.set(values);
    this.oninput = () => this.dispatchEvent(new CustomEvent("controls-change", { bubbles: true }));
  }

  /** Names of the fields that have a control here. */
  get names() {
    return [...this.#controls.keys()];
  }

  /** Draw a new seed where one is wanted each time; call it before a request. */
  renew() {
    for (const control of this.#controls.values()) control.renew?.();
  }

  /** Members of a request's body; fields that are left to their default are not in it. */
  values() {
    const entries = [...this.#controls].map(([name, control]) => [name, control.value()]);
    return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
  }

  /** What `set` brings back later: all values, but for seeds that are new each time. */
  remembered() {
    const entries = [...this.#controls].map(([name, control]) => [name, (control.remembered ?? control.value)()]);
    return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
  }

  /** Set some of the fields. */
  set(values) {
    for (const [name, value] of Object.entries(values)) {
      if (value !== undefined && value !== null) this.#controls.get(name)?.set(value);
    }
  }

  /** What is wrong, or "": its control is marked and gets the focus. */
  problem() {
    const problems = [...this.#controls.values()].map((control) => [control, control.check()]);
    const first = problems.find(([, text]) => text);
    if (!first) return "";
    first[0].element.querySelector("[aria-invalid=true]")?.focus();
    return first[1];
  }
}

customElements.define("litho-controls", LithoControls);
