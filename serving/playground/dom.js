/** Elements are made by calls, never from text: a prompt or a message can hold no markup. */

/**
 * Make an element.
 *
 * @param {string} tag  "div", or with classes: "div.card.wide"
 * @param {object} [properties]  `on` is an object of listeners (event -> function); `data` one of data attributes; names
 *   with "aria-" or "role" and those that the element has no property for become attributes; the rest are properties.
 *   A value of undefined, null or false leaves an attribute away.
 * @param {...(Node | string | number | null | undefined | Array)} children
 * @returns {HTMLElement}
 */
export function h(tag, properties = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  if (classes.length) element.classList.add(...classes);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (key === "data") {
      Object.assign(element.dataset, value);
    } else if (value === undefined || value === null) {
      continue;
    } else if (key in element && !key.includes("-") && key !== "list" && key !== "role") {
      element[key] = value;
    } else if (value !== false) {
      element.setAttribute(key, value === true ? "" : String(value));
    }
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

let made = 0;

/** An id that no other element has, for labels and descriptions. */
export function freshId(stem = "e") {
  made += 1;
  return `${stem}-${made}`;
}

const DRAWN = {
  dice: "M4 4h16v16H4z M8.5 8.5h.01 M15.5 8.5h.01 M12 12h.01 M8.5 15.5h.01 M15.5 15.5h.01",
  download: "M12 4v11 M7 10l5 5 5-5 M5 20h14",
  close: "M6 6l12 12 M18 6L6 18",
  copy: "M9 9h11v11H9z M5 15H4V4h11v1",
  key: "M8 8a4.5 4.5 0 1 0 0 8 4.5 4.5 0 0 0 0-8z M12.5 12H22 M18.5 12v3.5 M21.9 12v3",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8z M12 2v2 M12 20v2 M2 12h2 M20 12h2 M5 5l1.4 1.4 M17.6 17.6L19 19 M5 19l1.4-1.4 M17.6 6.4L19 5",
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z",
  half: "M12 3a9 9 0 1 0 0 18z M12 3a9 9 0 0 1 0 18",
  reload: "M20 11a8 8 0 1 0-2.3 5.7 M20 5v6h-6",
  trash: "M5 7h14 M10 7V4h4v3 M7 7l1 13h8l1-13",
  code: "M9 7l-5 5 5 5 M15 7l5 5-5 5",
  stop: "M7 7h10v10H7z",
  seed: "M12 21v-8 M12 13c0-4 3-7 8-7 0 5-3 7-8 7z M12 16c0-3-2.5-5-7-5 0 4 2.5 5 7 5z",
};

/** A drawn symbol for a button whose text or `aria-label` says what it does. */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const drawing = document.createElementNS(space, "svg");
  drawing.setAttribute("viewBox", "0 0 24 24");
  drawing.setAttribute("class", "icon");
  drawing.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", DRAWN[name]);
  drawing.append(path);
  return drawing;
}
