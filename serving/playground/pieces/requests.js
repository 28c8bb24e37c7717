/** Requests of views that send many: a server that is busy is asked again when it says so. */

import { generate } from "../api.js";

/** How many requests a view has under way together; the server puts them into batches. */
export const AT_ONCE = 8;

/** Code of the answer while the model server is down: that may last, and the person is told at once. */
const DOWN = "server_unavailable";

const MOST_TRIES = 5;
const LONGEST_WAIT_SECONDS = 20;

/**
 * Do something again after answers 429 and 503 that name a time to wait, unless the model server is down.
 *
 * @template T
 * @param {() => Promise<T>} work
 * @param {AbortSignal} signal
 * @returns {Promise<T>}
 */
export async function patiently(work, signal) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      const wait = [429, 503].includes(error.status) && error.code !== DOWN ? error.retryAfter : null;
      if (wait === null || wait > LONGEST_WAIT_SECONDS || tries === MOST_TRIES) throw error;
      await pause(wait * 1000, signal);
    }
  }
}

/**
 * Make one picture.
 *
 * @param {object} body of `POST v1/images/generations`
 * @param {AbortSignal} signal
 * @returns {Promise<import("../api.js").Picture>}
 */
export async function onePicture(body, signal) {
  const [picture] = await patiently(() => generate({ ...body, n: 1 }, { signal }), signal);
  return picture;
}

/** What a picture shows, in words: of its label, else of its prompt, else of its model. */
export function subjectOf(model, body) {
  const label = model.litho.signature.inputs.find((field) => field.role === "label");
  const value = label && body[label.name];
  if (value !== undefined) return label.class_names?.[value] ?? `${label.name} ${value}`;
  return body.prompt ?? model.id;
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });
}
