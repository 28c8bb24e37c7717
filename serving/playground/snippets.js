/** A request as code: what makes the same picture from a shell or a program. The key is read from LITHO_API_KEY. */

import { apiKey, bodyJson } from "./api.js";

const OPENAI_FIELDS = new Set([
  "model", "prompt", "n", "size", "response_format", "output_format", "output_compression", "background", "stream", "partial_images",
]);

const base = () => new URL("../", import.meta.url).href;

function withoutStream(body) {
  const { stream, partial_images, ...rest } = body;
  return rest;
}

/** A value as Python writes it. */
function python(name, value) {
  if (name === "seed" && /^\d+$/.test(String(value))) return String(value);
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) return `[${value.map((one) => python("", one)).join(", ")}]`;
  // JSON's escapes of texts are Python's too.
  return JSON.stringify(value);
}

const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/** @param {object} body of `POST v1/images/generations` */
export function asCurl(body) {
  const lines = [`curl -sS --fail-with-body ${quoted(`${base()}v1/images/generations`)}`];
  if (apiKey()) lines.push('-H "Authorization: Bearer $LITHO_API_KEY"');
  lines.push("-H 'Content-Type: application/json'", `-d ${quoted(bodyJson(withoutStream(body)))}`);
  return `${lines.join(" \\\n  ")} \\\n  | jq -r '.data[0].b64_json' | base64 -d > picture.${body.output_format ?? "png"}`;
}

/** With the standard library alone. */
export function asPython(body) {
  const entries = Object.entries(withoutStream(body)).map(([name, value]) => `    ${JSON.stringify(name)}: ${python(name, value)},`);
  const key = apiKey() ? ', "Authorization": "Bearer " + os.environ["LITHO_API_KEY"]' : "";
  return [
    "import base64", "import json", ...(apiKey() ? ["import os"] : []), "import urllib.request", "",
    "body = {", ...entries, "}",
    "request = urllib.request.Request(",
    `    ${JSON.stringify(`${base()}v1/images/generations`)},`,
    "    data=json.dumps(body).encode(),",
    `    headers={"Content-Type": "application/json"${key}},`,
    ")",
    "with urllib.request.urlopen(request) as answer:",
    '    pictures = json.load(answer)["data"]',
    "for number, picture in enumerate(pictures):",
    `    with open(f"picture-{number}.${body.output_format ?? "png"}", "wb") as file:`,
    '        file.write(base64.b64decode(picture["b64_json"]))',
  ].join("\n");
}

/** OpenAI's client asks for a prompt: for a model with labels it is the class, for one with neither it is empty. */
function withPrompt(body, model) {
  const inputs = model?.litho.signature.inputs ?? [];
  if (inputs.some((field) => field.role === "prompt")) return body;
  const label = inputs.find((field) => field.role === "label");
  if (!label || body[label.name] === undefined) return { ...body, prompt: "" };
  const { [label.name]: value, ...rest } = body;
  return { ...rest, prompt: label.class_names?.[value] ?? String(value) };
}

/**
 * With OpenAI's client; fields of litho's travel in `extra_body`.
 *
 * @param {object} body
 * @param {import("./registry.js").Card} [model]
 */
export function asOpenAI(body, model) {
  const given = withoutStream(withPrompt(body, model));
  const own = Object.entries(given).filter(([name]) => OPENAI_FIELDS.has(name));
  const extra = Object.entries(given).filter(([name]) => !OPENAI_FIELDS.has(name));
  return [
    "import base64", ...(apiKey() ? ["import os"] : []), "", "from openai import OpenAI", "",
    `client = OpenAI(base_url=${JSON.stringify(`${base()}v1`)}, api_key=${apiKey() ? 'os.environ["LITHO_API_KEY"]' : '"none"'})`,
    "made = client.images.generate(",
    ...own.map(([name, value]) => `    ${name}=${python(name, value)},`),
    ...(extra.length ? [`    extra_body={${extra.map(([name, value]) => `${JSON.stringify(name)}: ${python(name, value)}`).join(", ")}},`] : []),
    ")",
    "for number, picture in enumerate(made.data):",
    `    with open(f"picture-{number}.${body.output_format ?? "png"}", "wb") as file:`,
    "        file.write(base64.b64decode(picture.b64_json))",
  ].join("\n");
}
