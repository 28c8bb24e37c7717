/**
 * Views of the page.
 *
 * A view is one file `views/NAME.js`, with a stylesheet `views/NAME.css` beside it if it needs one. Being in the folder is
 * enough: the page loads every module there, and the module registers itself:
 *
 *     import { registerView } from "../registry.js";
 *     import { h } from "../dom.js";
 *
 *     registerView({
 *       id: "walk", title: "Latent walk", order: 30, style: "walk.css",
 *       missing: (model) => model.litho.signature.inputs.some((field) => field.role === "latent")
 *         ? "" : "This model takes no latent: there is nothing to walk through.",
 *       open(element, page) {
 *         const stopped = new AbortController();
 *         element.append(h("h2", {}, "Latent walk"));
 *         return () => stopped.abort();
 *       },
 *     });
 *
 * @typedef {object} View
 * @property {string} id     in the page's address (#walk); lower-case letters and hyphens
 * @property {string} title  on its tab; at most 16 characters
 * @property {number} order  tabs are sorted by it: generate 10, edit 20, walk 30, classes 40, guidance 50, compare 60,
 *   explain 70
 * @property {string} [style]  a stylesheet in `views/`; it is loaded before the view opens. Start each of its rules with
 *   `.view-ID`, the class that the view's element has.
 * @property {(model: Card, models: Card[]) => string} [missing]  "" where the view works with this model, otherwise one
 *   sentence that says what is missing; the page then shows this sentence in the view's place
 * @property {(element: HTMLElement, page: Page) => ((() => void) | void)} open  fills the empty element. It is called
 *   anew whenever the view or the model changes. What it returns is called before: stop requests and timers there.
 *
 * What a view is given:
 *
 * @typedef {object} Page
 * @property {Card} model     the chosen model, as `GET /v1/models` describes it
 * @property {Card[]} models  all models, the chosen one among them
 * @property {object} memory  the view's own; it lives as long as the page is open
 * @property {object | null} handover  what another view gave to `openView`
 * @property {(text: string) => void} announce     says a short text to screen readers: what has begun, what is done
 * @property {(error: Error, again?: () => void) => void} showError    shows an error above the view, with a button for another
 *   try where one may help; a missing or wrong key opens its dialog.
 *   An AbortError is ignored.
 * @property {() => void} clearError
 * @property {(id: string, handover?: object) => void} openView  goes to another view
 * @property {(picture: Picture) => void} showPicture  opens a picture with its receipt, download and code
 *
 * @typedef {object} Card   one model: OpenAI's object with one more key
 * @property {string} id
 * @property {object} litho  `signature` ({inputs: Field[], output: Field}), `variant`, `precision`, `grade`, `version`,
 *   `variants` (ids of models of the same checkpoint), `decoupled` (whether it has previews), `max_batch_size`,
 *   `explanations`
 *
 * Shared modules: `dom.js` (`h`, `icon`), `api.js` (requests, typed errors), `controls.js` (`<litho-controls>`, drawn from
 * a signature), `picture.js` (`<litho-picture>`, pixels of a picture), `history.js`, `snippets.js` (a request as code).
 * Classes of page.css for all views: `.panel` (a column of controls beside the results), `.split` (both columns),
 * `.button`, `.button.primary`, `.button.quiet`, `.field`, `.hint`, `.grid` (of pictures), `.empty`, `.badge`, `.hidden`
 * (for screen readers alone).
 */

const views = new Map();

/** @param {View} view */
export function registerView(view) {
  if (views.has(view.id)) throw new Error(`two views have the id ${view.id}`);
  views.set(view.id, view);
}

/** All views in the order of their tabs. @returns {View[]} */
export function allViews() {
  return [...views.values()].sort((one, other) => one.order - other.order || one.id.localeCompare(other.id));
}
