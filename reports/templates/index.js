"use strict";
(() => {
  const byId = id => document.getElementById(id);
  const rowsData = JSON.parse(byId("data").textContent);
  if (rowsData.length === 0) return;

  // Texts come from the runs: they are only ever set as text, never as markup.
  const NAMES = ["verdict", "name", "page", "cluster", "workload", "arena", "seed", "nodes", "mutant", "operations", "ok", "faults", "when", "sentence", "note"];
  const WORDS = { none: "no verdict" };
  const runs = rowsData.map(row => {
    const run = {};
    NAMES.forEach((name, at) => { run[name] = row[at]; });
    run.word = WORDS[run.verdict] || run.verdict;
    run.text = [run.word, run.name, run.cluster, run.workload, run.arena, run.seed, run.mutant, run.when, run.sentence, run.note].join("\n").toLowerCase();
    return run;
  });

  const STEP = 500;
  const NEWEST_FIRST = "-when";
  const FILTERS = ["verdict", "cluster", "workload", "arena", "mutant"];
  const body = byId("rows"), more = byId("more"), count = byId("count"), search = byId("q");
  const grouped = number => String(number).replace(/\B(?=(\d{3})+$)/g, ",");
  let sort = NEWEST_FIRST, limit = STEP, found = runs;

  const option = (select, value, text) => {
    const element = document.createElement("option");
    element.value = value;
    element.textContent = text;
    select.append(element);
  };
  for (const name of FILTERS) {
    const select = byId(name);
    option(select, "", "all");
    if (name === "mutant") {
      option(select, "no", "none");
      option(select, "yes", "any");
      continue;
    }
    for (const value of [...new Set(runs.map(run => run[name]))].sort()) {
      if (value !== "") option(select, value, name === "verdict" ? WORDS[value] || value : value);
    }
  }

  // What is missing comes last, whichever way the rows are sorted.
  const SORT_KEYS = {
    // A seed may be larger than a number of a script: longer is larger.
    seed: run => run.seed === "" ? null : run.seed.padStart(20, "0"),
    faults: run => run.faults && run.faults[0],
    verdict: run => run.word,
  };
  function sorted(list) {
    const down = sort.startsWith("-"), name = sort.replace("-", "");
    const key = SORT_KEYS[name] || (run => run[name]);
    const absent = value => value === null || value === undefined || value === "";
    return list.map(run => [key(run), run]).sort(([a], [b]) => {
      if (absent(a) || absent(b)) return absent(a) - absent(b);
      return (a < b ? -1 : a > b ? 1 : 0) * (down ? -1 : 1);
    }).map(([, run]) => run);
  }

  const cell = (row, kind, text, className) => {
    const element = document.createElement(kind);
    if (text !== null && text !== undefined) element.textContent = text;
    if (className) element.className = className;
    row.append(element);
    return element;
  };
  const numeral = number => number === null ? "" : grouped(number);
  function draw() {
    const rows = document.createDocumentFragment();
    for (const run of found.slice(0, limit)) {
      const row = document.createElement("tr");
      cell(cell(row, "td"), "span", run.word, "mark " + run.verdict);
      const name = cell(row, "th");
      name.scope = "row";
      if (run.page === null) name.textContent = run.name;
      else cell(name, "a", run.name).href = run.page;
      const said = cell(row, "td", run.sentence, "said");
      if (run.note !== null) cell(said, "p", run.note, "note");
      cell(row, "td", run.when, "time");
      cell(row, "td", run.mutant);
      cell(row, "td", numeral(run.operations), "number");
      cell(row, "td", run.ok === null ? "" : run.ok.toFixed(1) + " %", "number");
      cell(row, "td", run.faults === null ? "" : grouped(run.faults[0]) + " of " + grouped(run.faults[1]), "number");
      cell(row, "td", run.cluster);
      cell(row, "td", run.workload);
      cell(row, "td", run.arena);
      cell(row, "td", run.seed, "number");
      cell(row, "td", numeral(run.nodes), "number");
      rows.append(row);
    }
    body.replaceChildren(rows);
    const hidden = found.length - limit;
    more.hidden = hidden <= 0;
    more.textContent = "Show " + grouped(Math.min(STEP, Math.max(hidden, 0))) + " more";
    count.textContent = grouped(found.length) + " of " + grouped(runs.length) + " runs" + (hidden > 0 ? ", " + grouped(limit) + " of them shown" : "");
  }

  function update() {
    const words = search.value.toLowerCase().split(/\s+/).filter(word => word !== "");
    const wanted = FILTERS.filter(name => name !== "mutant" && byId(name).value !== "").map(name => [name, byId(name).value]);
    const mutant = byId("mutant").value;
    found = sorted(runs.filter(run =>
      wanted.every(([name, value]) => run[name] === value)
      && (mutant === "" || (mutant === "yes") === (run.mutant !== ""))
      && words.every(word => run.text.includes(word))));
    limit = STEP;
    for (const head of byId("head").children) {
      if (head.dataset.sort === sort.replace("-", "")) head.setAttribute("aria-sort", sort.startsWith("-") ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
    draw();
  }

  // The address holds the filters, so that what is seen can be linked.
  function keep() {
    const state = new URLSearchParams();
    if (search.value !== "") state.set("q", search.value);
    for (const name of FILTERS) if (byId(name).value !== "") state.set(name, byId(name).value);
    if (sort !== NEWEST_FIRST) state.set("sort", sort);
    history.replaceState(null, "", "#" + state);
  }
  function restore() {
    const state = new URLSearchParams(location.hash.slice(1));
    search.value = state.get("q") || "";
    for (const name of FILTERS) {
      const select = byId(name), value = state.get(name) || "";
      // A link may ask for what is no longer here: then nothing is found, and the filter says why.
      if (![...select.options].some(known => known.value === value)) option(select, value, value);
      select.value = value;
    }
    const asked = state.get("sort") || NEWEST_FIRST;
    sort = [...byId("head").children].some(head => head.dataset.sort === asked.replace("-", "")) ? asked : NEWEST_FIRST;
    update();
  }

  for (const head of byId("head").children) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const name = head.dataset.sort;
      sort = sort === name ? "-" + name : name;
      update();
      keep();
    });
  }
  // Browsers refuse an address that changes with every key.
  let waiting = 0;
  search.addEventListener("input", () => { update(); clearTimeout(waiting); waiting = setTimeout(keep, 250); });
  for (const name of FILTERS) byId(name).addEventListener("change", () => { update(); keep(); });
  byId("reset").addEventListener("click", () => { search.value = ""; for (const name of FILTERS) byId(name).value = ""; sort = NEWEST_FIRST; update(); keep(); });
  more.addEventListener("click", () => { limit += STEP; draw(); });
  addEventListener("hashchange", restore);
  byId("filters").hidden = false;
  if (byId("cut")) byId("cut").hidden = true;
  restore();
})();
