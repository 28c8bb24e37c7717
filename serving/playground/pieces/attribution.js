/** What one picture hangs on, by one method: words in their prompt, a label and a seed, or regions of a source. */

import { h, freshId } from "../dom.js";

/** Names of the methods for people. */
export const METHODS = { occlusion: "Occlusion", "integrated-gradients": "Integrated gradients" };

const ABOUT = {
  occlusion: "Each cause is taken away in turn; its share is how much the picture changes without it.",
  "integrated-gradients": "The inputs go from nothing to what they are; a share is how much of the way to the picture each"
    + " cause makes. A negative share works against it.",
};
const HEAT = [232, 60, 10]; // orange: seen on white and on black
const MOST_REGIONS = 6;
const MOST_ALTERNATIVES = 10;

const percent = (share) => `${(share * 100).toFixed(share !== 0 && Math.abs(share) < 0.095 ? 1 : 0)} %`;

/** A bar of a share beside its number; negative ones go the other way, in another colour. */
function bar(share, largest) {
  const element = h("span.bar", { "aria-hidden": "true", data: { sign: share < 0 ? "minus" : "plus" } });
  element.style.setProperty("--share", largest ? Math.abs(share) / largest : 0);
  return element;
}

function table(title, heads, rows) {
  const id = freshId("causes");
  return h("div.scroll", { role: "region", tabIndex: 0, "aria-labelledby": id }, h("table.causes", {}, h("caption", { id }, title),
    h("thead", {}, h("tr", {}, heads.map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, rows.map(([name, ...cells]) => h("tr", {}, h("th", { scope: "row" }, name), cells.map((cell) => h("td", {}, cell)))))));
}

/** The prompt; the more hangs on a word, the stronger its colour. */
function promptOf(prompt, causes) {
  const largest = Math.max(...causes.map((cause) => Math.abs(cause.share)), 1e-9);
  const characters = Array.from(prompt); // spans count characters, not UTF-16 units
  const parts = [];
  let end = 0;
  for (const cause of causes.filter((one) => one.span).sort((one, other) => one.span[0] - other.span[0])) {
    parts.push(characters.slice(end, cause.span[0]).join(""));
    const mark = h("mark", { data: { sign: cause.share < 0 ? "minus" : "plus" } }, characters.slice(...cause.span).join(""),
      h("sub", {}, percent(cause.share)));
    mark.style.setProperty("--share", Math.abs(cause.share) / largest);
    parts.push(mark);
    [, end] = cause.span;
  }
  return h("p.prompt", {}, parts, characters.slice(end).join(""));
}

/** A picture over which a map of grey values can be laid: the brighter the map, the stronger its colour. */
class Overlaid {
  constructor(address, alt, caption) {
    this.base = h("img.pixels", { src: address, alt });
    this.map = h("canvas.map.pixels", { hidden: true, "aria-hidden": "true" });
    this.caption = h("figcaption", {}, caption);
    this.first = caption;
    this.element = h("figure.overlaid", {}, h("div.frame", {}, this.base, this.map), this.caption);
  }

  /** Lay a map over it; "" takes it away. */
  async lay(address, caption = this.first) {
    this.laid = address;
    this.caption.textContent = caption;
    this.element.classList.toggle("covered", Boolean(address));
    this.map.hidden = !address;
    if (!address) return;
    const image = h("img", { src: address });
    await image.decode();
    if (this.laid !== address) return; // another one was chosen meanwhile
    [this.map.width, this.map.height] = [image.naturalWidth, image.naturalHeight];
    const context = this.map.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    const pixels = context.getImageData(0, 0, this.map.width, this.map.height);
    for (let index = 0; index < pixels.data.length; index += 4) pixels.data.set([...HEAT, pixels.data[index]], index);
    context.putImageData(pixels, 0, 0);
  }
}

/** Buttons that lay the map of a cause over the picture, one at a time. */
function mapButtons(causes, addressOf, picture) {
  const buttons = new Map();
  for (const cause of causes.filter((one) => one.map)) {
    const button = h("button.button.quiet.where", {
      type: "button", "aria-pressed": "false", "aria-label": `Show where “${cause.name}” acts`,
      on: { click: () => {
        const on = button.getAttribute("aria-pressed") === "false";
        for (const one of buttons.values()) one.setAttribute("aria-pressed", "false");
        button.setAttribute("aria-pressed", String(on));
        picture.lay(on ? addressOf(cause.map) : "", on ? `Where the picture changes without “${cause.name}”` : undefined);
      } },
    }, "where");
    buttons.set(cause, button);
  }
  return buttons;
}

function causesTable(attribution, addressOf, picture) {
  const { causes } = attribution;
  const largest = Math.max(...causes.map((cause) => Math.abs(cause.share)));
  const buttons = mapButtons(causes, addressOf, picture);
  const changes = causes.some((cause) => cause.change !== null && cause.change !== undefined);
  const heads = ["Cause", "Share", "", ...(changes ? ["Change in grey levels"] : []), ...(buttons.size ? ["Where"] : [])];
  return table("Causes", heads.map((name) => name || h("span.hidden", {}, "Bar")), causes.map((cause) => [
    cause.name, percent(cause.share), bar(cause.share, largest), ...(changes ? [cause.change?.toFixed(1) ?? ""] : []),
    ...(buttons.size ? [buttons.get(cause) ?? ""] : []),
  ]));
}

function labelParts(attribution) {
  const parts = [];
  if (attribution.alternatives?.length) {
    const sorted = [...attribution.alternatives].sort((one, other) => one.change - other.change).slice(0, MOST_ALTERNATIVES);
    const largest = Math.max(...sorted.map((one) => one.change));
    parts.push(table("Other classes with the same seed, the nearest first", ["Class", "Change in grey levels", h("span.hidden", {}, "Bar")],
      sorted.map((one) => [one.name, one.change.toFixed(1), bar(one.change, largest)])));
  }
  if (attribution.entries?.length) {
    const largest = Math.max(...attribution.entries.map((one) => Math.abs(one.share)));
    parts.push(table("Where the label enters the network", ["Layer", "Share", h("span.hidden", {}, "Bar")],
      attribution.entries.map((one) => [one.layer, percent(one.share), bar(one.share, largest)])));
  }
  return parts;
}

function sourceParts(example, attribution, addressOf) {
  const [sourceName] = Object.values(example.images);
  const source = new Overlaid(addressOf(sourceName), "the source", "Source");
  const parts = [source.element];
  if (attribution.heat) {
    const shown = h("input", { type: "checkbox", checked: true });
    const lay = () => source.lay(shown.checked ? addressOf(attribution.heat) : "", shown.checked ? "Source: the stronger the colour, the more hangs on it" : undefined);
    shown.addEventListener("change", lay);
    lay();
    source.element.append(h("label.check", {}, shown, "Show the heat map"));
  }
  for (const [name, file] of Object.entries(example.images).slice(1)) {
    parts.push(new Overlaid(addressOf(file), `the ${name}`, name[0].toUpperCase() + name.slice(1)).element);
  }
  return parts;
}

/**
 * The part of the page that shows an attribution.
 *
 * @param {object} example, attribution of `explanation.json`
 * @param {(name: string) => string} addressOf a picture's address from its file name
 * @param {string} title of the example
 */
export function attributionPart(example, attribution, addressOf, title) {
  const made = new Overlaid(addressOf(example.made), title, "The picture");
  const words = example.kind === "words" && example.inputs.prompt ? promptOf(example.inputs.prompt, attribution.causes) : "";
  const isSource = example.kind === "source";
  const shown = isSource
    ? { ...attribution, causes: [...attribution.causes].sort((one, other) => Math.abs(other.share) - Math.abs(one.share)).slice(0, MOST_REGIONS) }
    : attribution;
  const notes = [ABOUT[attribution.method], `Without a cause: ${attribution.without}.`];
  if (attribution.inside !== null && attribution.inside !== undefined) {
    notes.push(`${percent(attribution.inside)} of the change lies in the same region of the picture.`);
  }
  if (attribution.method === "integrated-gradients") notes.push(`The numerical integral is off by ${percent(attribution.remainder)}.`);
  return h("div.attribution", { data: { kind: example.kind } },
    h("div.pictures-of-it", {}, isSource ? sourceParts(example, attribution, addressOf) : "", made.element),
    h("div.figures", {}, words, h("p.hint", {}, notes.join(" ")), causesTable(shown, addressOf, made), labelParts(attribution)));
}
