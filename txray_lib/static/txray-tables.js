// A click on the name of a column sorts its table: upwards, downwards, as it was. Without this file a table is a table.
(() => {
  const STATES = { none: "ascending", ascending: "descending", descending: "none" };
  const NOTHING = /^(|-+|–|—|none|nothing|(not|no) .*|undefined|nan)$/i;
  const NUMBER = /^(?:(?:less|more) than |about |[<>≈±~] ?)?([+-]?(?:\d[\d,]*)?\.?\d+(?:e[+-]?\d+)?)(?![\w-])/i;
  const words = new Intl.Collator("en", { numeric: true });

  const said = cell => cell.textContent.replace(/−/g, "-").trim();

  // "1,234" is 1234, "−4.2 %" is −4.2, "0.82 [0.7, 0.9]" is 0.82; null where a cell begins with no number.
  const numberOf = text => {
    const found = NUMBER.exec(text.replace(/^([+-]) (?=\d)/, "$1"));
    return found ? Number(found[1].replace(/,/g, "")) : null;
  };

  // What a column is sorted by: numbers if every cell that says something is one, else words.
  function keys(rows, index) {
    const cells = rows.map(row => row.cells[index]), texts = cells.map(said);
    const empty = texts.map(text => NOTHING.test(text)), numbers = texts.map(numberOf);
    const numeric = !cells[0]?.classList.contains("words") && numbers.every((n, i) => empty[i] || n !== null);
    return { values: numeric ? numbers : texts, empty, compare: numeric ? (a, b) => a - b : words.compare };
  }

  // Equals keep the order that the page gave them, and cells without a value stand last either way.
  function order(rows, index, direction) {
    const places = rows.map((_, i) => i);
    if (direction === "none") return places;
    const { values, empty, compare } = keys(rows, index), sign = direction === "ascending" ? 1 : -1;
    return places.sort((a, b) => empty[a] - empty[b] || (empty[a] ? 0 : sign * compare(values[a], values[b])) || a - b);
  }

  function prepare(table) {
    const body = table.tBodies[0], rows = [...(body?.rows ?? [])], heads = [...(table.tHead?.rows[0]?.cells ?? [])];
    if (rows.length < 2) return;
    heads.forEach((head, index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.title = "sort by this column";
      button.append(...head.childNodes);
      head.append(button);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const direction = STATES[head.getAttribute("aria-sort")];
        heads.forEach(other => other.setAttribute("aria-sort", other === head ? direction : "none"));
        body.append(...order(rows, index, direction).map(i => rows[i]));
      });
    });
    table.dataset.sortable = "yes";
  }

  const start = () => document.querySelectorAll("table.txray-table").forEach(prepare);
  document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", start) : start();
})();
