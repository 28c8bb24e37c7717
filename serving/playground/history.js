/**
 * What was made in this browser: requests, receipts and small pictures, newest first, in its local storage.
 *
 * An entry is {id, time, model, body, seed, receipt, thumbnail}. The oldest go when there are too many, or when the
 * browser gives no more room.
 */

const NAME = "litho.history";
const MOST = 60;

const changes = new EventTarget();
let entries = read();

function read() {
  try {
    const held = JSON.parse(localStorage.getItem(NAME) ?? "[]");
    return Array.isArray(held) ? held.filter((entry) => entry?.id && entry.model && entry.thumbnail?.startsWith("data:image/")) : [];
  } catch {
    return [];
  }
}

function write() {
  for (;;) {
    try {
      localStorage.setItem(NAME, JSON.stringify(entries));
      break;
    } catch (error) {
      if (error.name !== "QuotaExceededError" || !entries.length) break;
      entries = entries.slice(0, Math.floor(entries.length * 0.75));
    }
  }
  changes.dispatchEvent(new Event("change"));
}

/** All entries, newest first. */
export function list() {
  return entries;
}

/** Add an entry; its id and time are set here. */
export function add(entry) {
  entries = [{ ...entry, id: crypto.getRandomValues(new Uint32Array(2)).join("-"), time: Date.now() }, ...entries].slice(0, MOST);
  write();
}

export function remove(id) {
  entries = entries.filter((entry) => entry.id !== id);
  write();
}

export function clear() {
  entries = [];
  write();
}

/** Call `listener` after each change, here or in another tab. @returns {() => void} ends it */
export function onChange(listener) {
  const elsewhere = (event) => {
    if (event.key !== NAME) return;
    entries = read();
    listener();
  };
  changes.addEventListener("change", listener);
  window.addEventListener("storage", elsewhere);
  return () => {
    changes.removeEventListener("change", listener);
    window.removeEventListener("storage", elsewhere);
  };
}
