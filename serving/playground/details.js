/** The dialog of one picture: large, with its receipt, and what can be done with it. */

import { nameOf } from "./controls.js";
import { h, icon } from "./dom.js";
import { fileName, save } from "./picture.js";
import { asCurl, asOpenAI, asPython } from "./snippets.js";

const CODE = [["curl", asCurl], ["Python", asPython], ["OpenAI client", asOpenAI]];
const ROWS = [
  ["model", "Model"], ["version", "Version"], ["variant", "Variant"], ["grade", "Grade"], ["created", "Made"],
  ["pixels_sha256", "Pixels"], ["checkpoint_sha256", "Checkpoint"], ["bundle_sha256", "Bundle"],
  ["litho_version", "litho"], ["request_id", "Request"],
];
const FIRST = ["prompt", "label", "seed", "steps", "guidance", "truncation"];
const HASH = /^[0-9a-f]{64}$/;

function worded(value) {
  if (Array.isArray(value)) return value.length > 8 ? `${value.length} numbers` : value.join(", ");
  if (value !== null && typeof value === "object") return JSON.stringify(value);
  // Several stages have one variant each.
  return String(value).replaceAll(",", ", ");
}

/** A hash is read by its ends; the whole of it is in the title, and in the receipt that is copied. */
function shown(value) {
  if (HASH.test(value)) return h("code", { title: `SHA-256 ${value}` }, `${value.slice(0, 12)}…${value.slice(-8)}`);
  if (/^\d{4}-\d\d-\d\dT/.test(value)) return h("time", { dateTime: value }, new Date(value).toLocaleString());
  return value;
}

/** Name and value of everything that a receipt says, for a table. */
export function receiptRows(receipt, model) {
  const named = (name, value) => {
    const title = model?.litho.signature.inputs.find((field) => field.name === name)?.class_names?.[value];
    return title && title !== String(value) ? `${title} (${value})` : worded(value);
  };
  const rank = (name) => (FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length);
  const fields = Object.entries(receipt.fields ?? {}).sort(([one], [other]) => rank(one) - rank(other));
  const known = ROWS.filter(([name]) => receipt[name] !== undefined && receipt[name] !== null && receipt[name] !== "");
  return [
    ...fields.map(([name, value]) => [nameOf({ name }), named(name, value)]),
    ...known.map(([name, title]) => [title, worded(receipt[name])]),
    ["Signed", receipt.signature ? "yes, by the server's key" : "no"],
  ];
}

/** The model that a picture can be edited with: the one that made it, or the first that takes one. */
function editorOf(model, models) {
  const takes = (one) => one.litho.signature.inputs.some((field) => field.role === "image");
  return model && takes(model) ? model : models.find(takes);
}

/** The request that makes exactly this picture: one picture, with its own seed. */
export function requestOf(picture) {
  const { n, stream, partial_images, ...body } = picture.body;
  return { ...body, ...(picture.seed ? { seed: picture.seed } : {}) };
}

async function copied(text, button, announce) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
    announce("Copied");
  } catch {
    button.textContent = "Not allowed here";
    announce("The browser does not allow copying here; select the text");
  }
  setTimeout(() => { button.textContent = before; }, 1500);
}

function codePart(picture, model, announce) {
  const body = requestOf(picture);
  const lines = h("code", {}, "");
  const region = h("pre.code", { tabIndex: 0, role: "region", "aria-label": "Code" }, lines);
  const draw = (make) => { lines.textContent = make(body, model); };
  const name = "code-kind";
  const choices = CODE.map(([title, make], index) => h("label.chip", {},
    h("input", { type: "radio", name, checked: index === 0, on: { change: () => draw(make) } }), h("span", {}, title)));
  draw(CODE[0][1]);
  const copy = h("button.button", { type: "button", on: { click: () => copied(lines.textContent, copy, announce) } }, "Copy");
  return h("section", {}, h("h3", {}, "Make it again from a program"),
    h("div.row", {}, h("fieldset.bare", {}, h("legend.hidden", {}, "Language"), h("div.chips", {}, choices)), copy), region);
}

function receiptPart(receipt, model, announce) {
  if (!receipt) return h("section", {}, h("h3", {}, "Receipt"), h("p.hint", {}, "The server gave no receipt."));
  const text = JSON.stringify(receipt, null, 2);
  const copy = h("button.button", { type: "button", on: { click: () => copied(text, copy, announce) } }, "Copy receipt");
  return h("section", {}, h("div.row", {}, h("h3", {}, "Receipt"), copy),
    h("dl.facts", {}, receiptRows(receipt, model).map(([name, value]) => [h("dt", {}, name), h("dd", { dir: "auto" }, shown(value))])));
}

/**
 * Open the dialog.
 *
 * @param {import("./api.js").Picture & {thumbnail?: string}} picture
 * @param {object} page  `announce`, `openView`, `models`, `choose`
 */
export function showPicture(picture, page) {
  const model = page.models.find((one) => one.id === picture.body.model);
  const image = h("img", { src: picture.url, alt: picture.alt ?? "The picture" });
  image.addEventListener("load", () => image.classList.toggle("pixels", image.naturalWidth < 192));
  const again = () => {
    dialog.close();
    if (model) page.choose(model.id);
    page.openView("generate", { body: requestOf(picture), pixels: picture.receipt?.pixels_sha256 });
  };
  const editor = editorOf(model, page.models);
  const edit = () => {
    dialog.close();
    page.choose(editor.id);
    page.openView("edit", { blob: picture.blob });
  };
  const dialog = h("dialog.card.details", { "aria-labelledby": "details-title" },
    h("div.row", {}, h("h2", { id: "details-title", dir: "auto" }, [picture.body.model, picture.title !== picture.body.model && picture.title].filter(Boolean).join(": ")),
      h("button.button.quiet.icon-only", { type: "button", "aria-label": "Close", on: { click: () => dialog.close() } }, icon("close"))),
    h("div.both", {},
      h("div.large", {}, image,
        h("div.actions", {},
          picture.blob ? h("button.button.primary", { type: "button", on: { click: () => save(picture.blob, fileName(picture, picture.body.model)) } }, icon("download"), "Download") : "",
          h("button.button", { type: "button", disabled: !model, on: { click: again } }, icon("reload"), "Make again"),
          picture.blob && editor ? h("button.button", { type: "button", on: { click: edit } }, "Edit") : "")),
      h("div.facts-part", {},
        receiptPart(picture.receipt, model, page.announce),
        codePart(picture, model, page.announce))));
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  document.body.append(dialog);
  dialog.showModal();
}
