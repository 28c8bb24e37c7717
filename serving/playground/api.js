/**
 * Requests to the gateway.
 *
 * Seeds are texts everywhere on the page: they go up to 2**63 - 1, and JavaScript's numbers are exact to 2**53 only.
 */

const ROOT = new URL("../", import.meta.url);
const KEY = "litho.key";
const INTEGER_FIELDS = new Set(["seed"]);

/** What the gateway refused or failed at. */
export class ApiError extends Error {
  /**
   * @param {number} status  HTTP status; 0 where no answer came
   * @param {{message?: string, type?: string, param?: string | null, code?: string | null}} [error]  of the answer
   * @param {Headers} [headers]  of the answer
   */
  constructor(status, error = {}, headers = new Headers()) {
    super(error.message || (status ? `The server answered ${status}.` : "The server cannot be reached."));
    this.name = "ApiError";
    this.status = status;
    this.type = error.type ?? null;
    this.param = error.param ?? null;
    this.code = error.code ?? null;
    this.requestId = headers.get("x-request-id");
    const seconds = Number(headers.get("retry-after"));
    /** Seconds to wait before the next try, or null. */
    this.retryAfter = seconds > 0 ? seconds : null;
  }

  /** Whether the same request may succeed later: nothing is wrong with it. */
  get passing() {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

function storages() {
  try {
    return [sessionStorage, localStorage];
  } catch {
    return []; // forbidden by the browser: the key then lives as long as the page
  }
}

let keyInMemory = "";

/** The API key, or "". */
export function apiKey() {
  for (const storage of storages()) {
    const key = storage.getItem(KEY);
    if (key) return key;
  }
  return keyInMemory;
}

/** Keep the key in this tab, or with `remember` in this browser; "" forgets it. */
export function setApiKey(key, remember = false) {
  keyInMemory = key;
  const [tab, browser] = storages();
  tab?.removeItem(KEY);
  browser?.removeItem(KEY);
  if (key) (remember ? browser : tab)?.setItem(KEY, key);
}

/** JSON whose integers beyond 2**53 become texts, so that a seed keeps every digit. */
export function parseJson(text) {
  // Inside a JSON text every quote is escaped, so `"name": digits` is a member and never part of a text.
  const exact = text.replace(/(?<!\\)"([a-z_0-9]+)"(\s*:\s*)(-?\d{16,})(?=\s*[,}\]])/g, '"$1"$2"$3"');
  return JSON.parse(exact);
}

/** A request's body as JSON: texts of integer fields travel as the integers that they are. */
export function bodyJson(fields) {
  const parts = Object.entries(fields)
    .filter(([, value]) => value !== undefined && value !== null && value !== "")
    .map(([name, value]) => {
      const integer = INTEGER_FIELDS.has(name) && /^-?\d+$/.test(String(value));
      return `${JSON.stringify(name)}: ${integer ? String(value) : JSON.stringify(value)}`;
    });
  return `{${parts.join(", ")}}`;
}

/**
 * Send a request and return the answer; an answer that is no success becomes an `ApiError`.
 *
 * @param {string} path  below the page's address: "v1/models"
 * @param {RequestInit} [options]  `body` is a text (JSON) or FormData
 * @returns {Promise<Response>}
 */
export async function request(path, options = {}) {
  const headers = new Headers(options.headers);
  const key = apiKey();
  if (key) headers.set("authorization", `Bearer ${key}`);
  if (typeof options.body === "string") headers.set("content-type", "application/json");
  let answer;
  try {
    answer = await fetch(new URL(path, ROOT), { ...options, headers, credentials: "omit", cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0);
  }
  if (answer.ok) return answer;
  let said = {};
  try {
    said = parseJson(await answer.text()).error ?? {};
  } catch {
    // A proxy may answer with a page of its own; the status says enough.
  }
  throw new ApiError(answer.status, said, answer.headers);
}

/** What is read from an answer; an answer that breaks off is no fault of the page. */
async function received(reading) {
  try {
    return await reading;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw brokenOff();
  }
}

function brokenOff() {
  return new ApiError(0, { message: "The connection was lost before the answer was complete." });
}

/** Cards of all served models. @returns {Promise<import("./registry.js").Card[]>} */
export async function listModels(signal) {
  const answer = await request("v1/models", { signal });
  return parseJson(await received(answer.text())).data;
}

/** What the bundle of a model carries about why it draws what it draws. */
export async function explanations(model, signal) {
  const answer = await request(`v1/models/${encodeURIComponent(model)}/explanations`, { signal });
  return parseJson(await received(answer.text()));
}

/**
 * A finished picture.
 *
 * @typedef {object} Picture
 * @property {Blob} blob      the file as the server made it, with its receipt inside
 * @property {string} url     of the blob, for <img>; free it with `URL.revokeObjectURL`
 * @property {string} seed    in decimal digits; "" where the model has none
 * @property {object | null} receipt
 * @property {string} format  "png", "jpeg" or "webp"
 * @property {object} body    the request that it came from
 * @property {number} seconds from the request to this picture
 */

/** The bytes of a Base64 text as a Blob. */
export function blobOf(base64, format = "png") {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index += 1) bytes[index] = text.charCodeAt(index);
  return new Blob([bytes], { type: `image/${format}` });
}

function pictureOf(datum, body, started, format = body.output_format ?? "png") {
  const blob = blobOf(datum.b64_json, format);
  return {
    blob,
    url: URL.createObjectURL(blob),
    seed: datum.seed === undefined || datum.seed === null ? "" : String(datum.seed),
    receipt: datum.receipt ?? null,
    format,
    body,
    seconds: (performance.now() - started) / 1000,
  };
}

/**
 * Make pictures in one request.
 *
 * @param {object} body  of `POST v1/images/generations`
 * @param {{signal?: AbortSignal}} [options]
 * @returns {Promise<Picture[]>}
 */
export async function generate(body, { signal } = {}) {
  return whole("v1/images/generations", bodyJson(body), body, signal);
}

/**
 * Change a picture in one request.
 *
 * @param {FormData} form  of `POST v1/images/edits`
 * @param {{signal?: AbortSignal}} [options]
 * @returns {Promise<Picture[]>}
 */
export async function edit(form, { signal } = {}) {
  return whole("v1/images/edits", form, fieldsOf(form), signal);
}

async function whole(path, content, body, signal) {
  const started = performance.now();
  const answer = await request(path, { method: "POST", body: content, signal });
  const made = parseJson(await received(answer.text()));
  return made.data.map((datum) => pictureOf(datum, body, started, made.output_format ?? undefined));
}

function fieldsOf(form) {
  return Object.fromEntries([...form.entries()].filter(([, value]) => typeof value === "string"));
}

/**
 * Make pictures and see them while they are drawn.
 *
 * @param {object} body  of `POST v1/images/generations`, or a FormData of `POST v1/images/edits`
 * @param {object} options
 * @param {AbortSignal} [options.signal]
 * @param {(preview: {index: number, blob: Blob, number: number}) => void} [options.onPartial]  a preview of picture
 *   `index` of the request, the `number`-th from 0
 * @param {(picture: Picture, index: number) => void} [options.onPicture]  a finished picture
 * @returns {Promise<Picture[]>} all finished pictures, in the request's order
 */
export async function stream(body, { signal, onPartial, onPicture } = {}) {
  const started = performance.now();
  const isForm = body instanceof FormData;
  const path = isForm ? "v1/images/edits" : "v1/images/generations";
  if (isForm) body.set("stream", "true");
  const content = isForm ? body : bodyJson({ ...body, stream: true });
  const answer = await request(path, { method: "POST", body: content, signal });
  const fields = isForm ? fieldsOf(body) : body;
  const pictures = [];
  let finished = 0;
  for await (const { event, data } of serverEvents(answer)) {
    const kind = data.type ?? event;
    if (event === "error" || data.error) throw new ApiError(0, data.error, answer.headers);
    if (kind.endsWith(".partial_image")) {
      const format = data.output_format ?? "png";
      const index = data.index ?? finished;
      onPartial?.({ index, blob: blobOf(data.b64_json, format), number: data.partial_image_index });
    } else if (kind.endsWith(".completed")) {
      const index = data.index ?? finished;
      finished += 1;
      pictures[index] = pictureOf(data, fields, started, data.output_format ?? undefined);
      onPicture?.(pictures[index], index);
    }
  }
  if (finished < Number(fields.n ?? 1)) throw brokenOff(); // a proxy may end an answer as if it were whole
  return pictures.filter(Boolean);
}

/** Server-sent events of an answer. @yields {{event: string, data: object}} */
export async function* serverEvents(answer) {
  const decoder = new TextDecoder();
  const reader = answer.body.getReader();
  let held = "";
  try {
    for (;;) {
      const { done, value } = await received(reader.read());
      held += decoder.decode(value, { stream: !done });
      const blocks = held.replaceAll("\r\n", "\n").split("\n\n");
      held = blocks.pop();
      for (const block of done && held.trim() ? [...blocks, held] : blocks) {
        const parsed = eventOf(block);
        if (parsed) yield parsed;
      }
      if (done) return;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function eventOf(block) {
  let event = "message";
  const data = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) event = line.slice(6).trim();
    if (line.startsWith("data:")) data.push(line.slice(5).trim());
  }
  const text = data.join("\n");
  return text && text !== "[DONE]" ? { event, data: parseJson(text) } : null;
}
