// The neuron explorer: a list and a search field above the chart, the chosen neuron below it. Everything lies beside the page.
// Data files are scripts that call txrayShard, because a page opened from disk may run scripts but not read files.
// Text of a corpus is only ever set as text.
(() => {
  const root = new URL("explorer/", document.currentScript.src);
  const PARTS = 1e6, TOKENS = 15, SUGGESTED = 40;
  const shards = new Map(), waiting = new Map();

  window.txrayShard = (name, body) => { waiting.get(name)?.done(body); };

  function load(name) {
    if (!shards.has(name)) {
      shards.set(name, new Promise((done, failed) => {
        waiting.set(name, { done });
        const script = document.createElement("script");
        script.src = new URL(`${name}.js`, root).href;
        script.onload = () => { waiting.delete(name); script.remove(); failed(new Error(`${script.src} holds no data`)); };
        script.onerror = () => { waiting.delete(name); shards.delete(name); script.remove(); failed(new Error(`${script.src} is missing`)); };
        document.head.append(script);
      }));
    }
    return shards.get(name);
  }

  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (name === "style") for (const [key, text] of Object.entries(value)) element.style.setProperty(key, text);
      else if (value === true) element.setAttribute(name, "");
      else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
    }
    element.append(...children.filter(child => child !== null && child !== undefined));
    return element;
  }

  const whole = number => number.toLocaleString("en");
  const digits = number => number === undefined ? "none" : number > 0 && number < 0.005 ? number.toPrecision(1) : number.toFixed(2);
  const percent = share => `${(100 * share).toFixed(share < 0.001 ? 2 : 1)} %`;
  const plural = (number, one) => `${whole(number)} ${one}${number === 1 ? "" : "s"}`;

  const ORDERS = {
    "distance": point => point.d ?? -1,
    "distance above chance": point => point.d === undefined || point.e === undefined ? -2 : point.d - point.e,
    "length after": point => point.la,
    "length before": point => point.lb,
    "mass after": point => point.ma,
    "number": point => -point.n,
  };
  const SHOWN = ["all", "shared", "above chance", "gained", "avoided"];

  function start() {
    const [controls, detail] = ["controls", "detail"].map(part => document.querySelector(`.txray-explorer[data-part=${part}]`));
    const figure = [...document.querySelectorAll(".txray-chart")].find(each => controls && controls.compareDocumentPosition(each) & 4);
    if (!controls || !detail || !figure) return;
    const told = JSON.parse(controls.querySelector("script").textContent);
    const spec = JSON.parse(figure.querySelector(".txray-spec").textContent);
    const points = Object.values(spec.datasets ?? {}).flat();
    explore(told, points, controls, detail, figure);
  }

  function explore(told, points, controls, detail, figure) {
    const byComparison = told.comparisons.map((_, c) => points.filter(point => point.c === c));
    // Neurons are counted through the layers; of an encoder with one layer that is their own number.
    const several = told.layers.length > 1, layerOf = n => Math.floor(n / told.neurons);
    const name = n => several ? `${n % told.neurons} of layer ${layerOf(n)}` : `${n}`;
    const state = { c: Number(detail.dataset.comparison ?? 0), n: Number(detail.dataset.neuron ?? -1), tokens: TOKENS };
    let view = null, turn = 0;

    // Controls
    const field = make("input", { type: "search", id: "txray-find", autocomplete: "off", spellcheck: "false", list: "txray-words" });
    const words = make("datalist", { id: "txray-words" });
    const form = make("form", { class: "txray-find", role: "search" },
      make("label", { for: "txray-find" }, "Neuron or word"), field, words, make("button", { type: "submit" }, "Find"));
    const comparison = make("select", { id: "txray-comparison" },
      ...told.comparisons.map((each, c) => make("option", { value: c }, each.name)));
    const order = make("select", { id: "txray-order" }, ...Object.keys(ORDERS).map(name => make("option", {}, name)));
    if (points.some(each => each.e !== undefined)) order.value = "distance above chance";
    const shown = make("select", { id: "txray-shown" }, ...SHOWN.map(name => make("option", {}, name)));
    const list = make("select", { id: "txray-list", size: 6 });
    const layer = make("select", { id: "txray-layer" }, ...told.layers.map(each => make("option", {}, `${each}`)));
    const listed = make("label", { for: "txray-list" });
    const found = make("div", { class: "txray-found", role: "status" });
    const answer = make("p", { class: "txray-answer" });
    const labelled = (text, input) => make("span", { class: "txray-choice" }, make("label", { for: input.id }, text), input);
    controls.replaceChildren(make("div", { class: "txray-choices" }, labelled("Comparison", comparison), several ? labelled("Layer", layer) : null, form), found, answer);
    detail.before(make("div", { class: "txray-explorer" },
      make("div", { class: "txray-choices" }, listed, labelled("Show", shown), labelled("Ordered by", order),
        make("button", { type: "button", onclick: downloadAll }, "Download (CSV)")),
      list));

    const inLayer = several ? () => layerOf(Math.max(state.n, 0)) : () => 0;
    const own = () => several ? byComparison[state.c].filter(each => layerOf(each.n) === inLayer()) : byComparison[state.c];
    const point = () => own().find(each => each.n === state.n);

    function kept() {
      const wanted = shown.value;
      const rows = own().filter(each => wanted === "all" || each.s === wanted || (wanted === "above chance" && each.o === 0));
      const key = ORDERS[order.value];
      return rows.sort((a, b) => key(b) - key(a) || a.n - b.n);
    }

    function fill() {
      const rows = kept();
      list.replaceChildren(...rows.map(each => make("option", { value: each.n, selected: each.n === state.n },
        `${each.n % told.neurons} · ${each.s}${each.d === undefined ? "" : ` · ${digits(each.d)}`}`
        + `${each.e === undefined ? "" : ` (${digits(each.e)})`} · ${whole(each.lb)} → ${whole(each.la)}`)));
      listed.textContent = `${plural(rows.length, "neuron")}: state · distance (by chance) · features before → after`;
      layer.value = `${inLayer()}`;
    }

    comparison.addEventListener("change", () => { state.c = Number(comparison.value); fill(); show(); });
    layer.addEventListener("change", () => {
      state.n = Number(layer.value) * told.neurons;
      choose(kept()[0]?.n ?? state.n, state.c, true);
    });
    order.addEventListener("change", fill);
    shown.addEventListener("change", fill);
    list.addEventListener("change", () => choose(Number(list.value)));
    form.addEventListener("submit", event => { event.preventDefault(); find(field.value.trim().normalize()); });
    field.addEventListener("input", suggest);
    document.addEventListener("keydown", event => {
      if (event.key === "/" && !/^(input|select|textarea)$/i.test(event.target.tagName)) { event.preventDefault(); field.focus(); }
    });
    window.addEventListener("hashchange", () => { if (fromAddress()) { comparison.value = state.c; fill(); show(); } });

    function fromAddress() {
      const wanted = new URLSearchParams(location.hash.slice(1));
      if (!wanted.has("neuron")) return false;
      const own = Number(wanted.get("neuron")), c = Number(wanted.get("comparison") ?? state.c);
      const at = Number(wanted.get("layer") ?? told.layers[0]), n = at * told.neurons + own;
      if (!told.layers.includes(at)) { found.textContent = `This encoder has no layer ${wanted.get("layer")}.`; return false; }
      if (own >= told.neurons) { found.textContent = `The address names neuron ${own}; this encoder has the neurons 0 to ${told.neurons - 1}.`; return false; }
      if (!Number.isInteger(n) || n < 0) { found.textContent = `The address names no neuron: “${wanted.get("neuron")}” is not a number.`; return false; }
      const next = Number.isInteger(c) && told.comparisons[c] ? c : state.c;
      if (n === state.n && next === state.c) return false;
      state.n = n;
      state.c = next;
      state.tokens = TOKENS;
      return true;
    }

    function choose(n, c = state.c, anew = false) {
      const other = anew || c !== state.c || (several && layerOf(n) !== inLayer());
      state.n = n;
      if (other) { state.c = c; comparison.value = c; fill(); }
      state.tokens = TOKENS;
      show();
    }

    function step(by) {
      const options = [...list.options], at = options.findIndex(option => Number(option.value) === state.n);
      const next = options[at < 0 ? 0 : Math.min(options.length - 1, Math.max(0, at + by))];
      if (next) choose(Number(next.value));
    }

    // Search
    const bucket = word => /^[a-z]/i.test(word) ? `t${word[0].toLowerCase()}` : "tother";

    async function suggest() {
      const start = field.value.trim();
      if (!start || /^\d+$/.test(start)) { words.replaceChildren(); return; }
      try {
        const known = await load(`${told.base}/${bucket(start)}`);
        if (field.value.trim() !== start) return;
        words.replaceChildren(...known.filter(([word]) => word.startsWith(start)).slice(0, SUGGESTED).map(([word]) => make("option", { value: word })));
      } catch { words.replaceChildren(); }
    }

    async function find(wanted) {
      if (!wanted) { found.textContent = "Type the number of a neuron, or a word."; return; }
      const asked = inLayer() * told.neurons + Number(wanted);
      if (/^\d+$/.test(wanted) && Number(wanted) < told.neurons && own().some(each => each.n === asked)) { found.replaceChildren(); choose(asked); return; }
      const beyond = /^\d+$/.test(wanted) && Number(wanted) >= told.neurons ? ` This encoder has the neurons 0 to ${told.neurons - 1}.` : "";
      let known;
      try { known = await load(`${told.base}/${bucket(wanted)}`); } catch { known = []; }
      const pair = known.find(([word]) => word === wanted) ?? known.find(([word]) => word === wanted.toLowerCase());
      if (!pair) { found.textContent = /^\d+$/.test(wanted)
        ? beyond ? `There is no neuron ${wanted}, and no neuron wins the token “${wanted}”.${beyond}` : `Neuron ${wanted} prefers nothing in this comparison, and no neuron wins the token “${wanted}”.`
        : `No neuron of any stage wins the word “${wanted}”. Words are as the encoder saw them; unknown ones are <unk>.`; return; }
      const { before, after } = told.comparisons[state.c];
      found.replaceChildren(...[["before", before], ["after", after]].map(([side, s]) => winners(pair, side, s)));
    }

    function winners([word, stages], side, s) {
      const line = make("p", {}, `${side}, ${told.stages[s].name}: `);
      const won = stages[inLayer() ? `${s}.${inLayer()}` : s];
      if (!won) { line.append(`no neuron wins “${word}”.`); return line; }
      const [total, ...pairs] = won;
      line.append(`“${word}” is won ${plural(total, "time")}, most often by neuron `);
      for (let i = 0; i < pairs.length; i += 2) {
        const n = pairs[i];
        line.append(make("button", { type: "button", onclick: () => choose(n) }, `${n % told.neurons}`), ` (${percent(pairs[i + 1] / total)}) `);
      }
      return line;
    }

    // The chosen neuron
    async function show(isFirst = false) {
      const mine = ++turn, begun = performance.now();
      for (const option of list.options) if (Number(option.value) === state.n) option.selected = true;
      if (!point()) { list.selectedIndex = -1; }
      mark();
      if (!isFirst) history.replaceState(null, "", `#neuron=${state.n % told.neurons}&comparison=${state.c}${several ? `&layer=${inLayer()}` : ""}`);
      try {
        const shard = await load(`${told.base}/n${Math.floor(state.n / told.per)}`);
        if (mine !== turn) return;
        draw(shard[state.n]);
      } catch (error) {
        if (mine === turn) detail.replaceChildren(make("p", { class: "txray-error", role: "alert" },
          `The data of neuron ${name(state.n)} could not be loaded (${error.message}). The explorer needs the folder _static/explorer beside the pages.`));
      }
      detail.dataset.shown = `${state.n}`;
      detail.dataset.took = (performance.now() - begun).toFixed(1);
    }

    function mark() {
      tell();
      if (!view) return;
      if (several) view.signal("layer", inLayer());
      view.signal("comparison", state.c).signal("chosen", state.n).runAsync();
    }

    // The caption is the chart's own for the comparison that it begins with; for any other it is written here.
    const caption = figure.querySelector("figcaption"), box = figure.querySelector(".txray-vega");
    const firstComparison = state.c, written = { label: box.getAttribute("aria-label"), caption: caption?.firstChild.textContent };
    function tell() {
      if (!caption) return;
      const rows = own(), among = name => rows.filter(each => each.s === name);
      const sentence = state.c === firstComparison ? written.caption
        : `Distance against length in ${told.comparisons[state.c].name}: a point for each of ${whole(among("shared").length)} shared neurons;`
          + ` ticks for ${whole(among("gained").length)} gained and ${whole(among("avoided").length)} avoided ones. `;
      caption.firstChild.textContent = sentence;
      box.setAttribute("aria-label", state.c === firstComparison ? written.label : sentence);
      const words = caption.querySelector("details");
      if (words) words.hidden = state.c !== firstComparison;
    }

    figure.addEventListener("txray:drawn", event => {
      view = event.detail;
      for (const name of ["picked", "picked_below"])
        view.addSignalListener(name, (_, value) => { const n = value?.n?.[0]; if (n !== undefined && n !== state.n) choose(n); });
      mark();
    });

    function draw(neuron) {
      const its = told.comparisons[state.c], at = point();
      const sides = [["before", its.before], ["after", its.after]];
      const heading = make("h3", { id: "txray-chosen", tabindex: "-1" }, `Neuron ${name(state.n)}`);
      const moves = make("span", { class: "txray-moves" },
        make("button", { type: "button", onclick: () => step(-1), "aria-label": "previous neuron of the list" }, "‹ previous"),
        make("button", { type: "button", onclick: () => step(1), "aria-label": "next neuron of the list" }, "next ›"));
      const head = make("div", { class: "txray-head" }, heading, moves);
      const says = make("p", { role: "status" }, summary(at, its));
      answer.replaceChildren(make("strong", {}, `Neuron ${name(state.n)}`), ` · ${at ? at.s : "prefers nothing here"}${at?.d === undefined ? "" : ` · distance ${digits(at.d)}`} · `,
        make("a", { href: "#txray-chosen", onclick: event => { event.preventDefault(); heading.focus(); heading.scrollIntoView(); } }, "its words are below"));
      if (!neuron) { detail.replaceChildren(head, says); return; }
      const other = { before: neuron.s[its.after], after: neuron.s[its.before] };
      const most = list => Math.max(...sides.flatMap(([, s]) => list(neuron.s[s])), 1);
      const scale = { tag: most(its => its?.g.map(([, p]) => p) ?? []), token: most(its => its?.p.slice(0, 1) ?? []) };
      const columns = sides.map(([side, s]) => column(side, s, neuron, other[side], scale));
      const download = make("button", { type: "button", onclick: () => downloadOne(neuron) }, `Download the features of neuron ${name(state.n)} in every stage (CSV)`);
      const below = [inContext(neuron, its), everywhere(neuron), make("p", { class: "txray-row" }, download)];
      detail.replaceChildren(head, says, make("div", { class: "txray-sides" }, ...columns), ...below.filter(Boolean));
    }

    function summary(at, its) {
      const name = told.comparisons[state.c].name;
      if (!at) return `It prefers nothing on either side of ${name}.`;
      const parts = [`${at.s[0].toUpperCase()}${at.s.slice(1)} in ${name}.`];
      if (at.d !== undefined) parts.push(`Its distributions are ${digits(at.d)} apart`
        + (at.e === undefined ? "." : `; chance gives it ${digits(at.e)}, so it lies ${digits(Math.abs(Number(digits(at.d)) - Number(digits(at.e))))} ${at.d >= at.e ? "above" : "below"} chance`
        + ` (q ${at.q === undefined ? "none" : Number(at.q.toPrecision(2))}, ${at.o ? "not above" : "above"} its null at ${told.level}).`));
      return parts.join(" ");
    }

    // Both columns have one scale, so that bars of one kind can be compared across them.
    function column(side, s, neuron, across, scale) {
      const stage = told.stages[s], its = neuron.s[s];
      const box = make("section", { class: "txray-side", style: { "--light": stage.ink[0], "--dark": stage.ink[1] }, "aria-label": `${side}: ${stage.name}` },
        make("h4", {}, make("small", {}, side), ` ${stage.name}`));
      if (!its) { box.append(make("p", {}, "It prefers nothing here.")); return box; }
      const there = new Set(across?.t ?? []);
      const keptTokens = its.t.filter(t => there.has(t)).length;
      box.append(make("p", {}, `${plural(its.t.length, "feature")}, ${whole(its.k)} of ${whole(stage.tokens)} tokens (${percent(its.k / stage.tokens)}), mass ${whole(its.m)}`
        + (across ? `; ${plural(keptTokens, "feature")} on both sides` : "")));
      box.append(bars("parts of speech", its.g.map(([tag, p]) => ({ text: tag, more: told.tags[tag], p: p / PARTS })).slice(0, 8), scale.tag / PARTS));
      const rows = its.t.slice(0, state.tokens).map((t, i) => ({ text: neuron.w[t], p: its.p[i] / PARTS, c: its.c[i], both: there.has(t) }));
      box.append(bars("features, probability, times won", rows, scale.token / PARTS));
      if (its.t.length > state.tokens)
        box.append(make("button", { type: "button", onclick: () => { state.tokens *= 4; draw(neuron); } }, `show more of ${whole(its.t.length)}`));
      box.append(make("p", { class: "txray-near" }, its.n.length ? "Similar preferences here: " : "No other neuron has a feature in common with it here.",
        ...its.n.flatMap(([n, distance]) => [make("button", { type: "button", onclick: () => choose(n) }, `${n % told.neurons}`), ` (${digits(distance)}) `])));
      return box;
    }

    function bars(name, rows, most) {
      return make("table", { class: "txray-bars" }, make("caption", {}, name), make("tbody", {}, ...rows.map(row =>
        make("tr", { class: row.both ? "both" : null },
          make("th", { scope: "row" }, row.text, row.more && row.more !== row.text ? make("small", {}, ` ${row.more}`) : null, row.both ? make("span", { class: "txray-both", title: "on both sides" }, " ◆") : null),
          make("td", { class: "bar" }, make("span", { style: { "--part": row.p / most } })),
          make("td", {}, row.p.toFixed(3)), row.c === undefined ? null : make("td", {}, whole(row.c))))));
    }

    // Of the two stages that are compared, if their text may be quoted; else of any whose text may be.
    function inContext(neuron, its) {
      const quoted = told.stages.map((_, s) => s).filter(s => neuron.s[s]?.x);
      const compared = quoted.filter(s => s === its.before || s === its.after);
      if (!quoted.length) return null;
      const box = make("section", { class: "txray-quoted", "aria-label": "Its strongest tokens in the text" });
      const link = (href, text) => make("a", { href }, text);
      for (const s of compared.length ? compared : quoted) {
        const credit = told.stages[s].credit;
        box.append(make("h4", {}, make("small", {}, "strongest tokens in"), ` ${told.stages[s].name}`),
          make("ul", {}, ...neuron.s[s].x.map(([before, token, after, activation]) => make("li", {},
            make("span", { class: "txray-context" }, before, " ", make("mark", {}, token), " ", after),
            make("small", {}, ` ${digits(activation)}`)))));
        if (credit) box.append(make("p", { class: "txray-credit" }, "From ", link(credit.address, credit.text), ", ", link(credit.terms, credit.licence), "."));
      }
      return box;
    }

    function everywhere(neuron) {
      const body = told.stages.map((stage, s) => {
        const its = neuron.s[s];
        return make("tr", {}, make("th", { scope: "row" }, stage.name),
          ...(its ? [whole(its.t.length), whole(its.k), whole(its.m)] : ["0", "0", "0"]).map(text => make("td", {}, text)),
          make("td", { class: "words" }, ...(its?.t.slice(0, 6) ?? []).flatMap(t => [make("span", { class: "txray-token" }, neuron.w[t]), " "])));
      });
      return make("div", { class: "txray-scroll", role: "region", tabindex: "0", "aria-label": "This neuron in every stage" },
        make("table", { class: "txray-table" }, make("caption", {}, make("span", {}, "In every stage")),
          make("thead", {}, make("tr", {}, ...["stage", "features", "tokens", "mass", "strongest features"].map(name => make("th", { scope: "col", class: name === "strongest features" ? "words" : null }, name)))),
          make("tbody", {}, ...body)));
    }

    // Downloads, saved by the loader of charts, which this page has too
    function downloadAll() {
      const head = ["layer", "neuron", "state", "length_before", "length_after", "mass_before", "mass_after", "hellinger", "expected", "q"];
      txraySaveTable(`${told.base}-comparison-${state.c}`, [head, ...own().map(p => [layerOf(p.n), p.n % told.neurons, p.s, p.lb, p.la, p.mb, p.ma, p.d, p.e, p.q])]);
    }
    function downloadOne(neuron) {
      const rows = told.stages.flatMap((stage, s) => (neuron.s[s]?.t ?? []).map((t, i) => [stage.name, neuron.w[t], neuron.s[s].p[i] / PARTS, neuron.s[s].c[i]]));
      txraySaveTable(`${told.base}-neuron-${name(state.n).replaceAll(" ", "-")}`, [["stage", "feature", "p", "count"], ...rows]);
    }

    fromAddress();
    comparison.value = state.c;
    fill();
    show(true);
  }

  document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", start) : start();
})();
