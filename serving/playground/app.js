/** The shell of the page: the models, the key, the tabs, errors, and one open view. */

import { ApiError, apiKey, listModels, request, setApiKey } from "./api.js";
import { h, icon } from "./dom.js";
import { showPicture } from "./details.js";
import { allViews } from "./registry.js";
import "./controls.js";
import "./picture.js";

const $ = (id) => document.getElementById(id);
const THEMES = [["auto", "half", "as the system"], ["light", "sun", "light"], ["dark", "moon", "dark"]];

const MOST_OFFERED = 6;

const state = { models: [], chosen: null, close: null, memories: new Map(), handover: null, wait: null };

function stored(name, value) {
  try {
    if (value === undefined) return localStorage.getItem(`litho.${name}`);
    localStorage.setItem(`litho.${name}`, value);
  } catch {
    // Storage may be forbidden; the choice then lasts as long as the page.
  }
  return null;
}

// Announcements and errors

function announce(text) {
  $("announcements").textContent = "";
  // The same text twice is only spoken again when the region was empty in between.
  requestAnimationFrame(() => { $("announcements").textContent = text; });
}

function clearError() {
  clearTimeout(state.wait);
  $("banner").hidden = true;
  $("banner").replaceChildren();
}

function showError(error, again) {
  if (error.name === "AbortError") return;
  clearError();
  if (!(error instanceof ApiError)) console.error(error);
  if (error.status === 401 || error.status === 403) askForKey(error.message);
  const facts = [error.status ? `status ${error.status}` : "", error.param ? `field ${error.param}` : "",
    error.retryAfter ? `try again in ${error.retryAfter} s` : "", error.requestId ? `request ${error.requestId}` : ""];
  const text = error instanceof ApiError ? sentence(error.message) : "The page failed at this; reload it and try again.";
  $("banner").append(
    h("div", {}, h("strong", {}, text), facts.some(Boolean) ? h("span.facts", {}, facts.filter(Boolean).join(" · ")) : ""),
    again ? h("button.button", { type: "button", on: { click: again } }, "Try again") : "",
    h("button.button.quiet.icon-only", { type: "button", "aria-label": "Close this message", on: { click: clearError } }, icon("close")),
  );
  $("banner").hidden = false;
}

function sentence(text) {
  const whole = text[0].toUpperCase() + text.slice(1);
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}

// The key

function askForKey(reason = "") {
  if (document.querySelector("dialog.key[open]")) return; // one that was closed is removed only a moment later
  const input = h("input", { type: "password", id: "key", autocomplete: "off", spellcheck: false, value: apiKey() });
  const remember = h("input", { type: "checkbox" });
  const dialog = h("dialog.card.key", { "aria-labelledby": "key-title" },
    h("form", { method: "dialog", on: { submit: () => { setApiKey(input.value.trim(), remember.checked); load(); } } },
      h("h2", { id: "key-title" }, "API key"),
      reason ? h("p.wrong", {}, sentence(reason)) : h("p.hint", {}, "This server may ask for a key: litho key create makes one."),
      h("div.field", {}, h("label", { htmlFor: "key" }, "Key"), input),
      h("label.check", {}, remember, "Remember it in this browser"),
      h("p.hint", {}, "Otherwise it is forgotten when this tab is closed. It is sent to this server alone."),
      h("div.actions", {},
        h("button.button.primary", { type: "submit" }, "Use this key"),
        h("button.button.quiet", { type: "button", on: { click: () => { setApiKey(""); dialog.close(); load(); } } }, "Forget it"),
        h("button.button.quiet", { type: "button", on: { click: () => dialog.close() } }, "Cancel"))));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  input.focus();
}

// The top of the page

function drawTools() {
  const theme = stored("theme") ?? "auto";
  const [, drawing, words] = THEMES.find(([name]) => name === theme) ?? THEMES[0];
  const next = THEMES[(THEMES.findIndex(([name]) => name === theme) + 1) % THEMES.length][0];
  $("tools").replaceChildren(
    h("button.button.quiet.icon-only", { type: "button", id: "key-button", title: "API key", "aria-label": "API key", on: { click: () => askForKey() } }, icon("key")),
    h("button.button.quiet.icon-only", {
      type: "button", id: "theme", title: `Colours: ${words}`, "aria-label": `Colours: ${words}; change`,
      on: { click: () => {
        stored("theme", next);
        if (next === "auto") delete document.documentElement.dataset.theme;
        else document.documentElement.dataset.theme = next;
        drawTools();
        $("theme").focus();
      } },
    }, icon(drawing)));
}

function drawModels() {
  if (!state.models.length) return $("model").replaceChildren();
  const select = h("select", { id: "model-choice", on: { change: () => { choose(select.value); } } },
    state.models.map((model) => h("option", { value: model.id, selected: model === state.chosen }, model.id)));
  const { precision, grade, version } = state.chosen.litho;
  $("model").replaceChildren(
    h("label.hidden", { htmlFor: "model-choice" }, "Model"), select,
    h("span.badge", { title: "Precision of its arithmetic" }, precision),
    grade ? h("span.badge", { title: "What was proven against the checkpoint" }, h("span.wide-only", {}, "proven: "), grade) : "",
    h("span.badge.wide-only", { title: "Version that is served" }, `version ${version}`));
}

function choose(id) {
  state.chosen = state.models.find((model) => model.id === id) ?? state.models[0];
  stored("model", state.chosen.id);
  drawModels();
  open();
}

function drawTabs(current) {
  $("tabs").replaceChildren(h("ul", {}, allViews().map((view) =>
    h("li", {}, h("a", { href: `#${view.id}`, "aria-current": view === current ? "page" : null, data: { title: view.title } }, view.title)))));
  showTab();
}

/** On a phone the tabs scroll: the open one is in sight. */
function showTab() {
  $("tabs").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

// Views

async function loadStyle(view) {
  if (!view.style || document.querySelector(`link[data-view="${view.id}"]`)) return;
  const link = h("link", { rel: "stylesheet", href: new URL(`views/${view.style}`, import.meta.url).href, data: { view: view.id } });
  await new Promise((resolve) => {
    link.addEventListener("load", resolve);
    link.addEventListener("error", resolve);
    document.head.append(link);
  });
}

function pageFor(view) {
  if (!state.memories.has(view.id)) state.memories.set(view.id, {});
  const handover = state.handover;
  state.handover = null;
  return {
    model: state.chosen, models: state.models, memory: state.memories.get(view.id), handover,
    announce, showError, clearError, openView,
    showPicture: (picture) => showPicture(picture, { announce, showError, openView, models: state.models, choose }),
  };
}

function openView(id, handover = null) {
  state.handover = handover;
  if (location.hash === `#${id}`) open();
  else location.hash = id;
}

let opening = 0;

async function open() {
  const turn = (opening += 1);
  const views = allViews();
  const view = views.find((one) => `#${one.id}` === location.hash) ?? views[0];
  state.close?.();
  state.close = null;
  clearError();
  drawTabs(view);
  await loadStyle(view);
  if (turn !== opening) return;
  const element = h(`div.view.view-${view.id}`);
  $("view").replaceChildren(element);
  document.title = `${view.title} · litho`;
  const missing = state.chosen ? (view.missing?.(state.chosen, state.models) ?? "") : "";
  if (!state.chosen) drawNoModels(element);
  else if (missing) drawMissing(element, view, missing);
  else {
    try {
      state.close = view.open(element, pageFor(view)) ?? null;
    } catch (error) {
      showError(error);
    }
  }
}

/** What is missing, the view that is named instead, and the models that have it. */
function drawMissing(element, view, missing) {
  const named = allViews().find((one) => missing.endsWith(` under ${one.title}.`));
  const fitting = state.models.filter((model) => !view.missing(model, state.models)).slice(0, MOST_OFFERED);
  const take = (model) => {
    choose(model.id);
    $("view").focus({ preventScroll: true });
  };
  element.append(h("h2.hidden", {}, view.title), h("div.empty", {}, h("p", {}, missing),
    named || fitting.length ? h("div.actions", {},
      named ? h("a.button", { href: `#${named.id}` }, `Open ${named.title}`) : "",
      fitting.map((model) => h("button.button", { type: "button", on: { click: () => take(model) } }, `Choose ${model.id}`))) : ""));
}

function drawNoModels(element) {
  element.append(h("div.empty", {}, h("h2", {}, "No model is served"),
    h("p", {}, "Add one on the server, and this page finds it:"),
    h("pre", {}, h("code", {}, "litho deploy BUNDLE --to REPOSITORY")),
    h("button.button", { type: "button", on: { click: load } }, icon("reload"), "Look again")));
}

// Beginning

async function load() {
  clearError();
  try {
    state.models = await listModels();
  } catch (error) {
    showError(error, load);
    if (error.status === 0 || error.status === 503) state.wait = setTimeout(load, 1000 * Math.max(2, error.retryAfter ?? 5));
    if (!state.models.length) $("view").replaceChildren();
    return;
  }
  if (!state.models.length) {
    state.chosen = null;
    drawModels();
    open();
  } else choose(state.chosen?.id ?? stored("model"));
}

async function begin() {
  drawTools();
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault(); // the address holds the view's id
    $("view").focus();
  });
  const { views } = await (await request("playground/views.json")).json();
  const loaded = await Promise.allSettled(views.map((name) => import(`./views/${name}`)));
  for (const { reason } of loaded) if (reason) console.error(reason);
  window.addEventListener("hashchange", () => { open(); $("view").focus({ preventScroll: true }); });
  window.addEventListener("resize", showTab);
  $("foot").append("Pictures and receipts of the history stay in this browser. ",
    h("a", { href: new URL("../openapi.json", import.meta.url).href }, "API description"));
  await load();
}

begin().catch(showError);
