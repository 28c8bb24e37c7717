/** Classes, or prompts, against seeds: what belongs to the class, and what to the seed. */

import { seeds } from "../calculations/tables.js";
import { fieldOf } from "../controls.js";
import { h, freshId } from "../dom.js";
import { labelled, line } from "../pieces/fields.js";
import { PictureTable } from "../pieces/picture_table.js";
import { Work } from "../pieces/work.js";
import { registerView } from "../registry.js";

const MOST_SEEDS = 12;
const MOST_ROWS = 24;
const FIRST_ROWS = 10;

/** Boxes to tick, one a class; all of the first few are ticked. */
function classPicker(field, chosen) {
  const names = field.class_names ?? Array.from({ length: Number(field.maximum) + 1 }, (_, value) => String(value));
  const boxes = names.map((_, value) => h("input", {
    type: "checkbox", value: String(value), checked: chosen ? chosen.includes(value) : value < FIRST_ROWS,
  }));
  const set = (ticked) => () => boxes.forEach((box, value) => { box.checked = ticked && value < MOST_ROWS; });
  const element = h("fieldset.field", {}, h("legend", {}, "Classes"),
    h("div.chips.tall", {}, boxes.map((box, value) => h("label.chip", {}, box, h("span", {}, names[value])))),
    h("div.actions", {},
      h("button.button", { type: "button", on: { click: set(true) } }, names.length > MOST_ROWS ? `First ${MOST_ROWS}` : "All"),
      h("button.button", { type: "button", on: { click: set(false) } }, "None")));
  const values = () => boxes.filter((box) => box.checked).map((box) => Number(box.value));
  return {
    element,
    before: values,
    rows() {
      const ticked = values();
      if (!ticked.length) throw new RangeError("Tick at least one class");
      if (ticked.length > MOST_ROWS) throw new RangeError(`${ticked.length} classes are ticked; at most ${MOST_ROWS} are drawn`);
      return ticked.map((value) => ({ title: names[value], fields: { [field.name]: value } }));
    },
  };
}

/** Prompts, one a line. */
function promptPicker(field, text) {
  const input = h("textarea", { rows: 5, spellcheck: false, dir: "auto", value: text ?? "", id: freshId("prompts") });
  return {
    element: labelled("Prompts", input, "One a line; each becomes a row."),
    before: () => input.value,
    rows() {
      const lines = [...new Set(input.value.split("\n").map((one) => one.trim()).filter(Boolean))];
      if (!lines.length) throw new RangeError("Write at least one prompt");
      if (lines.length > MOST_ROWS) throw new RangeError(`these are ${lines.length} prompts; at most ${MOST_ROWS} are drawn`);
      return lines.map((prompt) => ({ title: prompt, fields: { [field.name]: prompt } }));
    },
  };
}

function rowsField(model) {
  return fieldOf(model, "label") ?? fieldOf(model, "prompt");
}

registerView({
  id: "classes",
  title: "Class × seed",
  order: 40,
  style: "tables.css",
  missing(model) {
    const { inputs } = model.litho.signature;
    if (inputs.some((field) => field.role === "image")) return `${model.id} starts from a picture: give it one under Edit.`;
    if (!rowsField(model)) return `${model.id} takes neither a class nor a prompt: there are no rows for a table.`;
    return fieldOf(model, "seed") ? "" : `${model.id} takes no seed: there are no columns for a table.`;
  },
  open(element, page) {
    const { model, memory } = page;
    const field = rowsField(model);
    const before = memory.model === model.id ? memory : {};
    const picker = field.role === "label" ? classPicker(field, before.rows) : promptPicker(field, before.rows);
    const seed = fieldOf(model, "seed");
    const columns = line(memory.seeds ?? "1 to 6", { inputMode: "text" });
    const controls = h("litho-controls");
    controls.show(model, { except: [field.name, seed.name], values: before.values });
    const results = h("section.results", { "aria-label": "Results" },
      h("p.empty", {}, "Down a column the seed stays; along a row the class or prompt stays."));
    let table = null;
    const work = new Work(page, "Draw the table", async (signal) => {
      const [rows, chosen] = [picker.rows(), seeds(columns.value, MOST_SEEDS)];
      if (controls.problem()) return "";
      const fixed = { model: model.id, ...controls.values() };
      table?.close();
      table = new PictureTable({
        title: `${model.id}: ${field.role === "label" ? "classes" : "prompts"} and seeds`,
        corner: field.role === "label" ? "Class" : "Prompt",
        rows: rows.map((row) => row.title),
        columns: chosen.map((value) => `seed ${value}`),
      });
      results.replaceChildren(table.element);
      const bodyOf = (row, column) => ({ ...fixed, ...rows[row].fields, [seed.name]: chosen[column] });
      return table.fill(bodyOf, { page, work, signal });
    });
    element.append(h("div.split", {},
      h("form.panel", { noValidate: true, on: { submit: work.pressed } }, h("h2.hidden", {}, "Settings"), picker.element,
        labelled("Seeds", columns, "Such as 7, 42 or 1 to 6; each becomes a column."), controls,
        work.wrong, work.button, work.status),
      results));
    return () => {
      work.stop();
      table?.close();
      Object.assign(memory, { model: model.id, rows: picker.before(), seeds: columns.value, values: controls.remembered() });
    };
  },
});
