/** The dialog of one picture: large, with its receipt, and what can be done with it. */

import { h, icon } from "./dom.js";
import { fileName, save } from "./picture.js";
import { asCurl, asOpenAI, asPython } from "./snippets.js";

const CODE = [["curl", asCurl], ["Python", asPython], ["OpenAI client", asOpenAI]];
const ROWS = [
  ["model", "Model"], ["version", "Version"], ["variant", "Variant"], ["grade", "Grade"], ["created", "Made"],
  ["pixels_sha256", "Pixels, SHA-256"], ["checkpoint_sha256", "Checkpoint, SHA-256"], ["bundle_sha256", "Bundle, SHA-256"],
  ["litho_version", "litho"], ["request_id", "Request"],
];

function worded(value) {
  if (Array.isArray(value)) return value.length > 8 ? `${value.length} numbers` : value.join(", ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** Name and value of everything that a receipt says, for a table. */
export function receiptRows(receipt) {
  const fields = Object.entries(receipt.fields ?? {}).map(([name, value]) => [name.replaceAll("_", " "), worded(value)]);
  const known = ROWS.filter(([name]) => receipt[name] !== undefined && receipt[name] !== null && receipt[name] !== "");
  return [...fields, ...known.map(([name, title]) => [title, worded(receipt[name])]),
    ["Signed", receipt.signature ? "yes, Ed25519" : "no"]];
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
  const shown = h("code", {}, "");
  const region = h("pre.code", { tabIndex: 0, role: "region", "aria-label": "Code" }, shown);
  const draw = (make) => { shown.textContent = make(body, model); };
  const name = "code-kind";
  const choices = CODE.map(([title, make], index) => h("label.chip", {},
    h("input", { type: "radio", name, checked: index === 0, on: { change: () => draw(make) } }), h("span", {}, title)));
  draw(CODE[0][1]);
  const copy = h("button.button", { type: "button", on: { click: () => copied(shown.textContent, copy, announce) } }, "Copy");
  return h("section", {}, h("h3", {}, "Make it again from a program"),
    h("div.row", {}, h("fieldset.bare", {}, h("legend.hidden", {}, "Language"), h("div.chips", {}, choices)), copy), region);
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
  const dialog = h("dialog.card.details", { "aria-labelledby": "details-title" },
    h("div.row", {}, h("h2", { id: "details-title" }, [picture.body.model, picture.title !== picture.body.model && picture.title].filter(Boolean).join(": ")),
      h("button.button.quiet.icon-only", { type: "button", "aria-label": "Close", on: { click: () => dialog.close() } }, icon("close"))),
    h("div.both", {},
      h("div.large", {}, image,
        h("div.actions", {},
          picture.blob ? h("button.button.primary", { type: "button", on: { click: () => save(picture.blob, fileName(picture, picture.body.model)) } }, icon("download"), "Download") : "",
          h("button.button", { type: "button", disabled: !model, on: { click: again } }, icon("reload"), "Make again"))),
      h("div.facts-part", {},
        h("section", {}, h("h3", {}, "Receipt"),
          picture.receipt
            ? h("dl.facts", {}, receiptRows(picture.receipt).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]))
            : h("p.hint", {}, "The server gave no receipt.")),
        codePart(picture, model, page.announce))));
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  document.body.append(dialog);
  dialog.showModal();
}
