/** Why a picture looks as it does: words, labels and source pixels that it hangs on, and directions of latent space. */

import { explanations } from "../api.js";
import { fieldOf } from "../controls.js";
import { h } from "../dom.js";
import { attributionPart, METHODS } from "../pieces/attribution.js";
import { Directions } from "../pieces/directions.js";
import { choice, labelled } from "../pieces/fields.js";
import { registerView } from "../registry.js";

/** The example in words, for the list. */
function titleOf(example, model) {
  if (example.kind === "words") return example.inputs.prompt ?? Object.values(example.inputs).find((value) => typeof value === "string");
  if (example.kind === "label") {
    const field = fieldOf(model, "label");
    const value = example.inputs[field?.name ?? "label"];
    return `${field?.class_names?.[value] ?? value}, seed ${example.inputs.seed ?? 0}`;
  }
  return example.name.replaceAll("-", " ");
}

class Explain {
  constructor(element, page, answer) {
    this.page = page;
    this.document = answer.explanation;
    this.addressOf = (name) => answer.pictures[name];
    const { examples, directions, notes } = this.document;
    if (examples.length) element.append(this.examplesPart(examples));
    if (directions.length) {
      this.directions = new Directions(page, this.document, this.addressOf);
      element.append(this.directions.element);
    }
    if (notes.length) element.append(h("section.notes", {}, h("h3", {}, "Not explained"), h("ul", {}, notes.map((note) => h("li", {}, note)))));
    if (!examples.length && !directions.length) element.append(h("p.empty", {}, "The explanation of this model is empty."));
    element.append(h("p.hint", {}, `Computed when the model was evaluated, with captum ${this.document.captum}, on ${this.document.data}.`));
  }

  examplesPart(examples) {
    const select = choice(examples.map((example) => [example.name, titleOf(example, this.page.model)]), examples[0].name);
    const methods = h("div.chips", {});
    const shown = h("div.shown", {});
    let method = examples[0].attributions[0].method;
    const draw = () => {
      const example = examples.find((one) => one.name === select.value);
      if (!example.attributions.some((one) => one.method === method)) method = example.attributions[0].method;
      methods.replaceChildren(...example.attributions.map((one) => h("label.chip", {},
        h("input", { type: "radio", name: "explain-method", value: one.method, checked: one.method === method,
          on: { change: () => { method = one.method; drawShown(example); } } }),
        h("span", {}, METHODS[one.method]))));
      drawShown(example);
    };
    const drawShown = (example) => {
      const attribution = example.attributions.find((one) => one.method === method);
      shown.replaceChildren(attributionPart(example, attribution, this.addressOf, titleOf(example, this.page.model)));
    };
    select.addEventListener("change", draw);
    draw();
    return h("section.examples", {}, h("h2", {}, "What a picture hangs on"),
      h("div.pickers", {}, labelled("Picture", select),
        h("fieldset.field", {}, h("legend", {}, "Method"), methods)),
      shown);
  }

  close() {
    this.directions?.close();
  }
}

registerView({
  id: "explain",
  title: "Explain",
  order: 70,
  style: "explain.css",
  missing(model) {
    return model.litho.explanations ? ""
      : `The bundle of ${model.id} carries no explanation: 'litho evaluate RUN --explain' makes one, and 'litho export' takes it along.`;
  },
  open(element, page) {
    const stopped = new AbortController();
    const waiting = h("p.empty", { role: "status" }, "Loading…");
    let view = null;
    element.append(waiting);
    explanations(page.model.id, stopped.signal).then((answer) => {
      if (stopped.signal.aborted) return;
      waiting.remove();
      view = new Explain(element, page, answer);
    }).catch((error) => {
      waiting.remove();
      page.showError(error);
    });
    return () => {
      stopped.abort();
      view?.close();
    };
  },
});
