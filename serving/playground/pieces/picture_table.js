/**
 * A table of pictures, one request a cell.
 *
 *     const table = new PictureTable({ title: "Classes and seeds", corner: "Class", rows, columns });
 *     results.append(table.element);
 *     await table.fill((row, column) => body, { page, work, signal });
 */

import { inTurn } from "../calculations/tables.js";
import { h, freshId } from "../dom.js";
import { AT_ONCE, onePicture } from "./requests.js";

export class PictureTable {
  #cells;
  #pictures = [];

  /**
   * @param {object} options
   * @param {string} options.title of the table
   * @param {string} options.corner what rows and columns are, in the first cell
   * @param {string[]} options.rows, options.columns headings
   */
  constructor({ title, corner, rows, columns }) {
    this.rows = rows;
    this.columns = columns;
    this.#cells = rows.map(() => columns.map(() => h("litho-picture")));
    const id = freshId("table");
    const head = h("tr", {}, h("th", { scope: "col" }, corner), columns.map((name) => h("th", { scope: "col" }, name)));
    const body = rows.map((name, row) => h("tr", {}, h("th", { scope: "row" }, name),
      this.#cells[row].map((cell) => h("td", {}, cell))));
    const table = h("table.pictures", {}, h("caption", { id }, title), h("thead", {}, head), h("tbody", {}, body));
    table.style.setProperty("--columns", columns.length);
    this.element = h("div.scroll", { role: "region", tabIndex: 0, "aria-labelledby": id }, table);
  }

  /**
   * Make the pictures, row after row.
   *
   * @param {(row: number, column: number) => object} bodyOf the request of a cell
   * @param {object} options
   * @param {import("../registry.js").Page} options.page
   * @param {import("./work.js").Work} options.work is kept up to date
   * @param {AbortSignal} options.signal
   * @param {boolean} [options.alone] whether each picture is made alone, and its time is shown
   * @returns {Promise<string>} what to say at the end
   */
  async fill(bodyOf, { page, work, signal, alone = false }) {
    const count = this.rows.length * this.columns.length;
    const begun = performance.now();
    page.announce(`Drawing ${count} pictures`);
    const tasks = this.rows.flatMap((_, row) => this.columns.map((__, column) => async (stopped) => {
      const picture = await onePicture(bodyOf(row, column), stopped);
      this.#finish(row, column, picture, { page, alone });
      work.say(`${this.#pictures.length} of ${count}`);
    }));
    try {
      await inTurn(tasks, alone ? 1 : AT_ONCE, signal);
    } finally {
      for (const cell of this.#cells.flat()) if (cell.dataset.state !== "finished") cell.fail("not made");
    }
    return `${count === 1 ? "1 picture" : `${count} pictures`} in ${((performance.now() - begun) / 1000).toFixed(1)} s`;
  }

  #finish(row, column, picture, { page, alone }) {
    this.#pictures.push(picture);
    picture.title = `${this.rows[row]}, ${this.columns[column]}`;
    picture.alt = picture.title;
    const caption = alone ? `${Math.round(picture.seconds * 1000)} ms` : "";
    this.#cells[row][column].finish(picture, { caption, alt: picture.alt, open: page.showPicture });
  }

  /** Let the browser forget the pictures. */
  close() {
    for (const picture of this.#pictures) URL.revokeObjectURL(picture.url);
  }
}
