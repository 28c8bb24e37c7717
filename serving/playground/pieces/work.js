/**
 * The button of a view: it begins the work, and stops it while it runs.
 *
 *     const work = new Work(page, "Draw the table", (signal) => ...);
 *     form.append(work.button, work.status);
 *     form.addEventListener("submit", work.pressed);
 *     return () => work.stop();
 */

import { h, icon } from "../dom.js";

export class Work {
  #stopped = null;

  /**
   * @param {import("../registry.js").Page} page
   * @param {string} title of the button
   * @param {(signal: AbortSignal) => Promise<string>} begin does the work and returns what to say at the end; "" where a
   *   control is wrong and nothing was begun. A RangeError is a sentence about what was typed.
   */
  constructor(page, title, begin) {
    this.page = page;
    this.title = title;
    this.begin = begin;
    this.button = h("button.button.primary.go", { type: "submit" }, title);
    this.wrong = h("p.wrong", { hidden: true, role: "alert" });
    this.status = h("p.hint.status", {}, "");
    this.pressed = (event) => {
      event.preventDefault();
      if (this.#stopped) this.stop();
      else this.run();
    };
  }

  /** Whether work is under way. */
  get running() {
    return this.#stopped !== null;
  }

  /** Stop what is under way. */
  stop() {
    this.#stopped?.abort();
  }

  /** Say how it goes. */
  say(text) {
    this.status.textContent = text;
  }

  /** Begin, and end with a word to everybody. */
  async run() {
    const { page } = this;
    const stopped = new AbortController();
    this.#stopped = stopped;
    page.clearError();
    this.wrong.hidden = true;
    this.say("");
    this.button.replaceChildren(icon("stop"), "Stop");
    try {
      const done = await this.begin(stopped.signal);
      this.say(stopped.signal.aborted ? "Stopped" : done);
      if (this.status.textContent) page.announce(this.status.textContent);
    } catch (error) {
      this.say(stopped.signal.aborted ? "Stopped" : "");
      if (error instanceof RangeError) this.refuse(error.message);
      else if (!stopped.signal.aborted) page.showError(error, error.passing ? () => this.run() : undefined);
    } finally {
      this.#stopped = null;
      this.button.replaceChildren(this.title);
    }
  }

  /** Say what is wrong with what was typed. */
  refuse(text) {
    this.wrong.textContent = /[.!?]$/.test(text) ? text : `${text}.`;
    this.wrong.hidden = false;
  }
}
