/** Two numbers of a request against each other, such as guidance and steps: what each costs and gives. */

import { numbers, seeds, spread } from "../calculations/tables.js";
import { fieldOf, nameOf } from "../controls.js";
import { h } from "../dom.js";
import { choice, labelled, line, tick } from "../pieces/fields.js";
import { PictureTable } from "../pieces/picture_table.js";
import { Work } from "../pieces/work.js";
import { registerView } from "../registry.js";

const MOST_VALUES = 10;
const PREFERRED = ["guidance", "steps", "truncation", "condition"];
const BY_SEED = "";

/** Inputs that are one number with limits, the usual ones first. */
function numberFields(model) {
  return model.litho.signature.inputs
    .filter((field) => PREFERRED.includes(field.role) && !field.shape.length && field.dtype !== "BYTES"
      && field.minimum !== null && field.maximum !== null)
    .sort((one, other) => PREFERRED.indexOf(one.role) - PREFERRED.indexOf(other.role));
}

/** A first proposal: powers of two for steps, else values spread over the range. */
function proposal(field) {
  const [least, most] = [Number(field.minimum), Number(field.maximum)];
  if (field.role === "steps") {
    return [1, 2, 4, 8, 16, 32].filter((steps) => steps >= least && steps <= most).slice(0, 5).join(", ");
  }
  return spread({ dtype: field.dtype, minimum: least, maximum: most }, 5).join(", ");
}

/** The values of one side: of a field, or of seeds. */
class Side {
  constructor(title, fields, field, seed, before) {
    this.fields = fields;
    this.seed = seed;
    const options = [...fields.map((one) => [one.name, nameOf(one)]), ...(seed ? [[BY_SEED, "Seed"]] : [])];
    this.select = choice(options, field);
    this.values = line("");
    this.texts = { ...before };
    this.select.addEventListener("change", () => this.propose());
    this.propose();
    this.element = h("div", {}, labelled(title, this.select),
      labelled(`Values of ${title.toLowerCase()}`, this.values, "Numbers with commas, or 1 to 9 by 2."));
  }

  get field() {
    return this.fields.find((one) => one.name === this.select.value) ?? null;
  }

  get name() {
    return this.field?.name ?? this.seed.name;
  }

  propose() {
    this.values.value = this.texts[this.select.value] ?? (this.field ? proposal(this.field) : "1 to 3");
  }

  /** Headings and values. @throws {RangeError} */
  read() {
    this.texts[this.select.value] = this.values.value;
    if (!this.field) return seeds(this.values.value, MOST_VALUES).map((value) => ({ title: `seed ${value}`, value }));
    return numbers(this.values.value, this.field, MOST_VALUES)
      .map((value) => ({ title: `${nameOf(this.field).toLowerCase()} ${value}`, value }));
  }
}

registerView({
  id: "guidance",
  title: "Guidance × steps",
  order: 50,
  style: "tables.css",
  missing(model) {
    if (model.litho.signature.inputs.some((field) => field.role === "image")) {
      return `${model.id} starts from a picture: give it one under Edit.`;
    }
    return numberFields(model).length ? "" : `${model.id} takes neither guidance nor steps nor truncation.`;
  },
  open(element, page) {
    const { model, memory } = page;
    const before = memory.model === model.id ? memory : {};
    const [fields, seed] = [numberFields(model), fieldOf(model, "seed")];
    const rows = new Side("Rows", fields, before.rows ?? fields[0].name, seed, before.texts);
    const columns = new Side("Columns", fields, before.columns ?? fields[1]?.name ?? BY_SEED, seed, before.texts);
    const alone = tick("One after the other, with times", before.alone ?? false);
    const controls = h("litho-controls");
    const drawControls = () => controls.show(model, { except: [rows.name, columns.name], values: controls.isConnected ? controls.remembered() : before.values });
    drawControls();
    for (const side of [rows, columns]) side.select.addEventListener("change", drawControls);
    const results = h("section.results", { "aria-label": "Results" },
      h("p.empty", {}, "Everything but the two chosen numbers stays the same."));
    let table = null;
    const work = new Work(page, "Draw the grid", async (signal) => {
      if (rows.name === columns.name) throw new RangeError("Rows and columns are the same; choose two different ones");
      const [down, along] = [rows.read(), columns.read()];
      if (controls.problem()) return "";
      controls.renew();
      const fixed = { model: model.id, ...controls.values() };
      table?.close();
      table = new PictureTable({
        title: `${model.id}: ${rows.name} and ${columns.name}`,
        corner: "",
        rows: down.map((one) => one.title),
        columns: along.map((one) => one.title),
      });
      results.replaceChildren(table.element);
      const bodyOf = (row, column) => ({ ...fixed, [rows.name]: down[row].value, [columns.name]: along[column].value });
      return table.fill(bodyOf, { page, work, signal, alone: alone.input.checked });
    });
    element.append(h("div.split", {},
      h("form.panel", { noValidate: true, on: { submit: work.pressed } }, h("h2.hidden", {}, "Settings"),
        rows.element, columns.element, controls, alone.element, work.wrong, work.button, work.status),
      results));
    return () => {
      work.stop();
      table?.close();
      Object.assign(memory, {
        model: model.id, rows: rows.select.value, columns: columns.select.value, alone: alone.input.checked,
        texts: { ...rows.texts, [rows.select.value]: rows.values.value, [columns.select.value]: columns.values.value },
        values: controls.remembered(),
      });
    };
  },
});
