/** A labelled control that litho-controls does not have, such as a list of seeds. */

import { h, freshId } from "../dom.js";

/**
 * A label, its control and a hint.
 *
 * @param {string} title
 * @param {HTMLElement} input
 * @param {string} [hint]
 * @param {...HTMLElement} others beside the control
 * @returns {HTMLElement}
 */
export function labelled(title, input, hint = "", ...others) {
  input.id ||= freshId("control");
  const note = hint ? h("p.hint", { id: freshId("hint") }, hint) : null;
  if (note) input.setAttribute("aria-describedby", note.id);
  const control = others.length ? h("div.combined", {}, input, others) : input;
  return h("div.field", {}, h("label", { htmlFor: input.id }, title), control, note);
}

/** A line of text. */
export function line(value, properties = {}) {
  return h("input", { type: "text", autocomplete: "off", spellcheck: false, value, ...properties });
}

/** A select. @param {[string, string][]} options value and title of each */
export function choice(options, chosen) {
  return h("select", {}, options.map(([value, title]) => h("option", { value, selected: value === chosen }, title)));
}

/** A box to tick, in its label. @returns {{element: HTMLElement, input: HTMLInputElement}} */
export function tick(title, checked = false) {
  const input = h("input", { type: "checkbox", checked });
  return { input, element: h("label.check", {}, input, title) };
}

/** A number with its limits. */
export function number(value, least, most) {
  return h("input.number", { type: "number", min: least, max: most, step: 1, value: String(value) });
}

/**
 * The number that stands in an input.
 *
 * @throws {RangeError} it is none, or outside the limits
 */
export function wholeNumber(input, title) {
  const value = Number(input.value);
  const [least, most] = [Number(input.min), Number(input.max)];
  if (input.value === "" || !Number.isInteger(value) || value < least || value > most) {
    input.focus();
    throw new RangeError(`${title} is a whole number from ${least} to ${most}`);
  }
  return value;
}
