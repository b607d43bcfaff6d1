// Charts are drawn when they come near the screen, and the others when nothing else is to be done, so that a print has all.
// Without the bundle the words of a chart take its place.
// Colours for the dark page and the chart's width come with the spec, in usermeta.txray.
(() => {
  const bundleAddress = new URL("txray/vega-bundle.js", document.currentScript.src).href;
  const MARGIN = 60;                              // what axes and labels take beside a plot, at a first guess
  const PADDING = 10;                             // what the page puts around a canvas
  const views = new Map();
  let bundle;

  const loadBundle = () => (bundle ??= new Promise((done, failed) => {
    const define = window.define;
    if (define?.amd) window.define = undefined;   // a module loader on the page must not swallow the bundle
    const script = document.createElement("script");
    script.src = bundleAddress;
    script.onload = () => { if (define?.amd) window.define = define; done(); };
    script.onerror = () => failed(new Error("cannot load " + bundleAddress));
    document.head.append(script);
  }));

  const isDark = () => document.documentElement.dataset.theme === "dark";

  // Colours stand anywhere in a spec except in its data.
  function recolour(node, colours) {
    if (typeof node === "string") return colours[node] ?? node;
    if (Array.isArray(node)) return node.map(item => recolour(item, colours));
    if (!node || typeof node !== "object") return node;
    return Object.fromEntries(Object.entries(node).map(([key, value]) =>
      [key, key === "data" || key === "datasets" || key === "usermeta" ? value : recolour(value, colours)]));
  }

  // On a narrow screen panels stand below each other and none is wider than the room it has.
  function narrow(node, fit) {
    if (Array.isArray(node)) return node.map(item => narrow(item, fit));
    if (!node || typeof node !== "object") return node;
    const result = {};
    for (const [key, value] of Object.entries(node)) {
      if (key === "data" || key === "datasets" || key === "usermeta" || key === "config") result[key] = value;
      else if (key === "hconcat") result.vconcat = narrow(value, fit);
      else if (key === "width" && typeof value === "number") result[key] = fit(value);
      else if (key === "legend" && (value?.columns || value?.orient === "top")) result[key] = { labelExpr: "split(replace(datum.label, ', ', ': '), ': ')", ...value, columns: 1 };
      else result[key] = narrow(value, fit);
    }
    return result;
  }

  // A narrow chart whose labels take more than was guessed is drawn again with what they took, as long as that helps;
  // where a title is too wide nothing does, and the last drawing that was no better is taken back.
  async function embed(spec, room, isNarrow, cut = 0, before = Infinity) {
    const fit = width => Math.max(100, Math.min(width, room - MARGIN) - cut);
    const host = document.createElement("div");
    const { view, finalize } = await window.vegaEmbed(host, isNarrow ? narrow(spec, fit) : spec, {
      config: { background: "transparent", ...(isNarrow ? { axis: { labelOverlap: "greedy" } } : {}) },
      actions: false,
      tooltip: { theme: isDark() ? "dark" : "light" },
      renderer: "canvas",
    });
    const excess = Math.ceil(host.querySelector("canvas").width / (window.devicePixelRatio || 1) + PADDING - room);
    if (!isNarrow || !(excess > 0) || !before) return { host, view, finalize };
    finalize();
    return excess < before ? embed(spec, room, isNarrow, cut + excess, excess) : embed(spec, room, isNarrow, cut - before, 0);
  }

  async function draw(figure) {
    const box = figure.querySelector(".txray-vega");
    let spec = JSON.parse(figure.querySelector(".txray-spec").textContent);
    const wishes = spec.usermeta?.txray ?? {}, room = figure.clientWidth;
    if (isDark()) spec = recolour(spec, wishes.dark ?? {});
    try {
      await loadBundle();
      const { host, view, finalize } = await embed(spec, room, room && room < (wishes.width ?? 0));
      views.get(figure)?.finalize();
      views.set(figure, { view, finalize, room });
      box.replaceChildren(host);
      box.removeAttribute("style");
      figure.dataset.drawn = isDark() ? "dark" : "light";
      figure.dispatchEvent(new CustomEvent("txray:drawn", { detail: view }));
    } catch (error) {
      const note = document.createElement("p");
      note.className = "txray-error";
      note.textContent = "The chart could not be drawn (" + error.message + "). What it shows: " + box.getAttribute("aria-label");
      box.removeAttribute("style");
      box.replaceChildren(note);
      console.error(error);
    }
  }

  // Downloads: what a chart draws as a table, and the chart as it is drawn.
  const quoted = value => {
    const text = value === null || value === undefined ? "" : Array.isArray(value) ? value.join(" ") : typeof value === "object" ? JSON.stringify(value) : `${value}`;
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };

  function save(name, address) {
    const link = document.createElement("a");
    link.href = address;
    link.download = name;
    link.click();
  }

  // Rows of cells as a file; the explorer's page saves its tables by it too.
  window.txraySaveTable = (name, rows) => {
    const text = rows.map(row => row.map(quoted).join(",")).join("\n") + "\n";
    const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    save(`${name}.csv`, address);
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  };

  function table(spec) {
    const sets = Object.values(spec.datasets ?? {}).filter(Array.isArray), many = sets.length > 1;
    const long = spec.usermeta?.txray?.names ?? {};
    const names = [...new Set(sets.flat().flatMap(row => Object.keys(row)))];
    const rows = sets.flatMap((set, i) => set.map(row => [...(many ? [i + 1] : []), ...names.map(name => row[name])]));
    return [[...(many ? ["dataset"] : []), ...names.map(name => long[name] ?? name)], ...rows];
  }

  function offer(figure, number) {
    const links = figure.querySelector(".txray-links");
    if (!links) return;
    const name = `${location.pathname.split("/").pop().replace(/\.html$/, "") || "page"}-figure-${number + 1}`;
    const add = (label, act) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = label;
      button.setAttribute("aria-label", `${label} of figure ${number + 1}`);
      button.addEventListener("click", act);
      links.prepend(button, " ");
    };
    add("picture (PNG)", async () => {
      const drawn = views.get(figure);
      if (drawn) save(`${name}.png`, await drawn.view.toImageURL("png", 2));
    });
    add("data (CSV)", () => txraySaveTable(name, table(JSON.parse(figure.querySelector(".txray-spec").textContent))));
  }

  function start() {
    const figures = [...document.querySelectorAll(".txray-chart")];
    if (!figures.length) return;
    figures.forEach(offer);
    const near = new IntersectionObserver(entries => entries.forEach(entry => {
      if (entry.isIntersecting) begin(entry.target);
    }), { rootMargin: "400px" });
    const begun = new Set(), idle = window.requestIdleCallback ?? (act => setTimeout(act, 300));
    const begin = figure => {
      near.unobserve(figure);
      if (begun.has(figure)) return null;
      begun.add(figure);
      return draw(figure);
    };
    const drawNext = () => {
      const next = figures.find(figure => !begun.has(figure));
      if (next) idle(async () => { await begin(next); drawNext(); });
    };
    figures.forEach(figure => near.observe(figure));
    window.addEventListener("load", drawNext);
    new MutationObserver(() => [...views.keys()].forEach(draw))
      .observe(document.documentElement, { attributeFilter: ["data-theme"] });
    let waiting;
    window.addEventListener("resize", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => views.forEach((its, figure) => { if (Math.abs(figure.clientWidth - its.room) > 24) draw(figure); }), 200);
    });
  }

  document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", start) : start();
})();
