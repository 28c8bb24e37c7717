/** An edit as code; the key is read from LITHO_API_KEY. */

import { apiKey } from "../api.js";
import { h } from "../dom.js";

const BASE = new URL("../../v1", import.meta.url).href;
const OWN = new Set(["model", "prompt", "n"]);

const quoted = (text) => `'${String(text).replaceAll("'", "'\\''")}'`;

function asCurl(fields, masked) {
  const lines = [`curl -sS --fail-with-body ${quoted(`${BASE}/images/edits`)}`];
  if (apiKey()) lines.push('-H "Authorization: Bearer $LITHO_API_KEY"');
  lines.push("-F image=@picture.png", ...(masked ? ["-F mask=@mask.png"] : []));
  for (const [name, value] of Object.entries(fields)) lines.push(`--form-string ${quoted(`${name}=${value}`)}`);
  return `${lines.join(" \\\n  ")} \\\n  | jq -r '.data[0].b64_json' | base64 -d > result.png`;
}

function asOpenAI(fields, masked) {
  const given = Object.entries({ prompt: "", ...fields });
  const python = (name, value) => (name === "seed" ? String(value) : JSON.stringify(value));
  const extra = given.filter(([name]) => !OWN.has(name)).map(([name, value]) => `${JSON.stringify(name)}: ${python(name, value)}`);
  return [
    "import base64", ...(apiKey() ? ["import os"] : []), "", "from openai import OpenAI", "",
    `client = OpenAI(base_url=${JSON.stringify(BASE)}, api_key=${apiKey() ? 'os.environ["LITHO_API_KEY"]' : '"none"'})`,
    "made = client.images.edit(",
    '    image=open("picture.png", "rb"),',
    ...(masked ? ['    mask=open("mask.png", "rb"),  # transparent in the hole'] : []),
    ...given.filter(([name]) => OWN.has(name)).map(([name, value]) => `    ${name}=${python(name, value)},`),
    ...(extra.length ? [`    extra_body={${extra.join(", ")}},`] : []),
    ")",
    'with open("result.png", "wb") as file:',
    "    file.write(base64.b64decode(made.data[0].b64_json))",
  ].join("\n");
}

/**
 * A part of the page with the code of an edit.
 *
 * @param {object} fields of the request, without its files
 * @param {boolean} masked whether there is a mask
 * @param {(text: string) => void} announce
 */
export function editCode(fields, masked, announce) {
  const block = (title, text) => h("div", {}, h("h4", {}, title),
    h("pre.code", { tabIndex: 0, role: "region", "aria-label": `Code, ${title}` }, h("code", {}, text)),
    h("button.button.quiet", { type: "button", on: { click: () => copy(text, announce) } }, `Copy for ${title}`));
  return h("details.code-of-edit", {}, h("summary", {}, "Make it again from a program"),
    block("curl", asCurl(fields, masked)), block("OpenAI client", asOpenAI(fields, masked)));
}

async function copy(text, announce) {
  try {
    await navigator.clipboard.writeText(text);
    announce("Copied");
  } catch {
    announce("The browser does not allow copying here; select the text");
  }
}
