"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const ENDINGS = ["ok", "fail", "info"];
  const CHARACTER_WIDTH = 6.2;
  const BARS_MAX = 1500;
  const root = document.documentElement;
  const byId = id => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const { layout, left, right, width } = data;
  const room = width - left - right;

  // Texts come from the history: they are only ever set as text, never as markup.
  const calls = [];
  let at = 0;
  for (const [client, process, ending, since, length, f, key, argument, result, culprit] of data.calls) {
    at += since;
    const until = length < 0 ? data.end : at + length;
    calls.push({ client, process, ending, from: at, until, length, f, key, argument, result, culprit });
  }

  const make = (parent, name, attributes, text) => {
    const element = document.createElementNS(SVG, name);
    for (const attribute in attributes) element.setAttribute(attribute, attributes[attribute]);
    if (text !== undefined) element.textContent = text;
    parent.appendChild(element);
    return element;
  };
  const seconds = us => (us / 1e6).toFixed(3) + " s";
  const duration = us => us < 1e3 ? us + " \u00b5s" : us < 1e4 ? (us / 1e3).toFixed(1) + " ms" : us < 1e6 ? Math.round(us / 1e3) + " ms" : (us / 1e6).toFixed(2) + " s";

  // The page in light or dark.
  const themeButton = byId("theme");
  const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const nameTheme = () => { themeButton.textContent = dark() ? "Light" : "Dark"; };
  themeButton.hidden = false;
  themeButton.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; nameTheme(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", nameTheme);
  nameTheme();

  for (const button of document.querySelectorAll(".copy")) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.previousElementSibling.textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1200);
    });
  }

  // The detail, for any window.
  const detail = byId("detail");
  const overview = byId("overview");
  const body = byId("detail-body");
  const viewport = byId("viewport");
  const spanText = byId("span");
  const tip = byId("tip");
  const keys = byId("key");
  const first = data.window.slice();
  const LENGTH_MIN = 2000;
  let [from, until] = first;
  let chosenKey = -1;
  let hover = null;

  const x = us => left + Math.min(1, Math.max(0, (us - from) / (until - from))) * room;
  const meets = (a, b) => a <= until && b >= from;
  const roundStep = (length, marks) => {
    const raw = length / marks, power = 10 ** Math.floor(Math.log10(raw));
    return [1, 2, 5, 10].find(factor => raw <= factor * power) * power;
  };
  const extent = (a, b) => [x(a), Math.max(0.75, x(b) - x(a))];

  function draw() {
    body.replaceChildren();
    hover = null;
    const { top, bottom } = layout;
    const [, nodes, clients] = layout.rows;
    const faults = data.faults.filter(fault => meets(fault[1], fault[2]));
    for (const [, a, b, family] of faults) {
      const [at, wide] = extent(a, b);
      make(body, "rect", { class: "band " + family, x: at, y: top, width: wide, height: bottom - top });
    }
    const step = roundStep((until - from) / 1e6, 9);
    const digits = step >= 1 ? 0 : Math.min(6, -Math.floor(Math.log10(step) + 1e-9));
    for (let n = Math.ceil(from / 1e6 / step); n * step <= until / 1e6; n++) {
      const at = x(n * step * 1e6);
      make(body, "line", { class: "grid", x1: at, x2: at, y1: top, y2: bottom });
      make(body, "text", { class: "tick", x: at, y: bottom + 15 }, (n * step).toFixed(digits) + " s");
    }
    const lane = (y, name) => {
      make(body, "line", { class: "lane", x1: left, x2: width - right, y1: y, y2: y });
      if (layout.labelled) make(body, "text", { class: "lane-name", x: left - 8, y: y + 3.5 }, name);
    };
    for (let n = 0; n < nodes; n++) lane(layout.nodes + (n + 0.5) * layout.node, "n" + (n + 1));
    for (let n = 0; n < clients; n++) lane(layout.clients + (n + 0.5) * layout.client, "client " + n);
    if (layout.rows[0] && layout.labelled) make(body, "text", { class: "lane-name", x: left - 8, y: top + layout.fault / 2 + 3.5 }, "faults");
    for (const [row, a, b, family, label, title, certain] of faults) {
      const [at, wide] = extent(a, b);
      const y = top + row * layout.fault + 1, high = layout.fault - 3;
      make(make(body, "rect", { class: "chip " + family + (certain ? "" : " uncertain"), x: at, y, width: wide, height: high, rx: 2 }), "title", {}, title);
      const characters = (wide - 8) / CHARACTER_WIDTH;
      const text = [label, label.split(" ")[0], family].find(text => text.length <= characters);
      if (text) make(body, "text", { class: "chip-text", x: at + 4, y: y + high / 2 + 3.8 }, text);
    }
    for (const [node, a, b, title] of data.outages) {
      if (!meets(a, b)) continue;
      const [at, wide] = extent(a, b);
      make(make(body, "rect", { class: "outage", x: at, y: layout.nodes + node * layout.node + 1, width: wide, height: layout.node - 2 }), "title", {}, title);
    }
    for (const [node, a, b, term, title] of data.reigns) {
      if (!meets(a, b)) continue;
      const [at, wide] = extent(a, b);
      const high = layout.node * 0.62, y = layout.nodes + node * layout.node + (layout.node - high) / 2;
      make(make(body, "rect", { class: "reign", x: at, y, width: wide, height: high, rx: 2 }), "title", {}, title);
      const text = "leads term " + term;
      if (wide > text.length * CHARACTER_WIDTH) make(body, "text", { class: "reign-text", x: at + 4, y: y + high / 2 + 3.6 }, text);
    }
    drawCalls();
    const mark = (name, us, word, title) => {
      if (!meets(us, us)) return;
      make(make(body, "line", { class: name, x1: x(us), x2: x(us), y1: top - 4, y2: bottom }), "title", {}, title);
      make(body, "text", { class: name + "-text", x: x(us), y: top - 6 }, word);
    };
    mark("healed", data.healed, "healed", "everything is healed at " + seconds(data.healed));
    for (const [us, text] of data.marks) mark("broken", us, "broken", text);
    const scale = us => left + us / data.end * room;
    viewport.setAttribute("x", scale(from));
    viewport.setAttribute("y", data.overview.top);
    viewport.setAttribute("width", Math.max(2, scale(until) - scale(from)));
    viewport.setAttribute("height", data.overview.bottom - data.overview.top);
    spanText.textContent = seconds(from) + " to " + seconds(until);
  }

  function drawCalls() {
    const shown = calls.filter(call => meets(call.from, call.until));
    const high = layout.client * 0.62;
    const y = call => layout.clients + call.client * layout.client + (layout.client - high) / 2;
    const dim = call => chosenKey >= 0 && call.key !== chosenKey;
    if (shown.length > BARS_MAX) {
      // Too many for elements of their own: one path for each way to end.
      for (const faint of [true, false]) for (const ending of [0, 1, 2]) {
        let d = "";
        for (const call of shown) {
          if (call.ending !== ending || dim(call) !== faint) continue;
          const [at, wide] = extent(call.from, call.until);
          d += "M" + at.toFixed(2) + " " + (y(call) + high / 2).toFixed(1) + "h" + wide.toFixed(2);
        }
        if (d) make(body, "path", { class: "strokes " + ENDINGS[ending] + (faint ? " dim" : ""), "stroke-width": high, d });
      }
      return;
    }
    for (const ending of [0, 1, 2]) for (const call of shown) {
      if (call.ending !== ending) continue;
      const [at, wide] = extent(call.from, call.until);
      const faint = dim(call) ? " dim" : "";
      make(body, "rect", { class: "call " + ENDINGS[ending] + (call.culprit ? " culprit" : "") + faint, x: at, y: y(call), width: wide, height: high, rx: 2 });
      const characters = Math.floor((wide - 6) / CHARACTER_WIDTH);
      if (!layout.labelled || characters < 6) continue;
      let text = (data.texts[call.f] + " " + data.texts[call.key] + " " + data.texts[call.argument]).trim();
      if (text.length > characters) text = text.slice(0, characters - 1) + "\u2026";
      make(body, "text", { class: "call-text" + faint, x: at + 3, y: y(call) + high / 2 + 3.8 }, text);
    }
  }

  function show(a, b) {
    const length = Math.min(data.end, Math.max(LENGTH_MIN, b - a));
    from = Math.round(Math.max(0, Math.min(a, data.end - length)));
    until = Math.round(from + length);
    draw();
  }
  const zoom = (factor, around = (from + until) / 2) => show(around - (around - from) * factor, around + (until - around) * factor);
  // Where the pointer is, in the units of a drawing.
  const point = (svg, event) => {
    const box = svg.getBoundingClientRect();
    const unit = width / box.width;
    return [(event.clientX - box.left) * unit, (event.clientY - box.top) * unit];
  };
  const clampShare = value => Math.min(1, Math.max(0, value));

  byId("controls").hidden = false;
  for (const element of document.querySelectorAll(".script-only")) element.hidden = false;
  root.classList.add("scripted");
  byId("controls").addEventListener("click", event => {
    const length = until - from;
    switch (event.target.dataset.do) {
      case "back": show(from - length * 0.7, until - length * 0.7); break;
      case "on": show(from + length * 0.7, until + length * 0.7); break;
      case "in": zoom(0.5); break;
      case "out": zoom(2); break;
      case "all": show(0, data.end); break;
      case "first": show(first[0], first[1]); break;
    }
  });

  const usedKeys = [...new Set(calls.map(call => call.key))].sort((a, b) => data.texts[a].localeCompare(data.texts[b], undefined, { numeric: true }));
  for (const key of usedKeys.slice(0, 300)) {
    const option = document.createElement("option");
    option.value = key;
    option.textContent = data.texts[key] || "(none)";
    keys.appendChild(option);
  }
  keys.addEventListener("change", () => { chosenKey = Number(keys.value); draw(); });

  for (const link of document.querySelectorAll(".jump")) {
    link.addEventListener("click", () => {
      const a = Number(link.dataset.from), b = Number(link.dataset.until);
      const margin = Math.max(200000, (b - a) * 0.5);
      show(a - margin, b + margin);
    });
  }

  // Drag over the overview to choose, over the detail to move.
  const drag = (svg, begin, move) => {
    svg.addEventListener("pointerdown", event => {
      if (event.button !== 0) return;
      const state = begin(event);
      tip.hidden = true;
      svg.setPointerCapture(event.pointerId);
      svg.classList.add("moving");
      const moved = event => move(event, state);
      const ended = () => {
        svg.classList.remove("moving");
        svg.removeEventListener("pointermove", moved);
      };
      svg.addEventListener("pointermove", moved);
      svg.addEventListener("pointerup", ended, { once: true });
      svg.addEventListener("pointercancel", ended, { once: true });
    });
  };
  const overviewTime = event => clampShare((point(overview, event)[0] - left) / room) * data.end;
  drag(overview, event => {
    const time = overviewTime(event), length = until - from;
    show(time - length / 2, time + length / 2);
    return { time };
  }, (event, start) => {
    const time = overviewTime(event);
    if (Math.abs(time - start.time) > data.end / 200) show(Math.min(time, start.time), Math.max(time, start.time));
  });
  drag(detail, event => ({ at: point(detail, event)[0], from, until }), (event, start) => {
    const shift = (start.at - point(detail, event)[0]) / room * (start.until - start.from);
    show(start.from + shift, start.until + shift);
  });
  detail.addEventListener("wheel", event => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const share = clampShare((point(detail, event)[0] - left) / room);
    zoom(event.deltaY < 0 ? 0.75 : 1 / 0.75, from + share * (until - from));
  }, { passive: false });

  // The operation under the pointer: by lane and time, so that no bar needs a listener.
  function under(event) {
    const [px, py] = point(detail, event);
    const client = Math.floor((py - layout.clients) / layout.client);
    if (client < 0 || client >= layout.rows[2] || px < left) return null;
    const slack = (until - from) / room * 3;
    const time = from + (px - left) / room * (until - from);
    let best = null, distance = slack;
    for (const call of calls) {
      if (call.client !== client) continue;
      const away = Math.max(0, call.from - time, time - call.until);
      if (away <= distance) { best = call; distance = away; }
    }
    return best;
  }
  detail.addEventListener("pointermove", event => {
    if (detail.classList.contains("moving")) return;
    const call = under(event);
    if (hover) { hover.remove(); hover = null; }
    tip.hidden = !call;
    if (!call) return;
    const high = layout.client * 0.62;
    const [at, wide] = extent(call.from, call.until);
    hover = make(body, "rect", { class: "hover", x: at - 1, y: layout.clients + call.client * layout.client + (layout.client - high) / 2 - 1, width: wide + 2, height: high + 2, rx: 2 });
    const text = position => data.texts[position];
    tip.textContent = [text(call.f), text(call.key), text(call.argument)].filter(Boolean).join(" ") + " \u2192 " + text(call.result)
      + "\nclient " + call.client + ", process " + call.process
      + "\ncalled at " + seconds(call.from) + (call.length < 0 ? ", never returned" : ", took " + duration(call.length));
    const box = tip.getBoundingClientRect();
    tip.style.left = Math.max(4, Math.min(event.clientX + 14, innerWidth - box.width - 8)) + "px";
    tip.style.top = (event.clientY + 18 + box.height > innerHeight ? event.clientY - box.height - 12 : event.clientY + 18) + "px";
  });
  detail.addEventListener("pointerleave", () => { tip.hidden = true; if (hover) { hover.remove(); hover = null; } });

  draw();
  // Whoever tests the page can see that the script came to its end.
  root.dataset.ready = "true";
})();
