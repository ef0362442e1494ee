// Moving through the timeline: pointer, touch, keys, search and links.
function steer(timeline, canvas) {
  const { data, calls, view, state } = timeline;
  const first = data.window.slice();
  const tip = byId("tip"), chosenBox = byId("chosen"), spanText = byId("span"), found = byId("found"), search = byId("search"), keys = byId("key");
  const overview = byId("overview"), viewport = byId("viewport");
  const lengthOf = () => view.until - view.from;
  const zoom = (factor, around = (view.from + view.until) / 2) => timeline.show(around - (around - view.from) * factor, around + (view.until - around) * factor);
  const pan = share => timeline.show(view.from + lengthOf() * share, view.until + lengthOf() * share);

  // Choosing.
  const linkOf = thing => thing.type === "call" ? "#op=" + calls.position[thing.at] : thing.type === "fault" ? "#fault=" + data.faults[thing.at][0] : "#t=" + (thing.time / 1e6).toFixed(6);
  function choose(thing, { move = false, link = true } = {}) {
    state.chosen = thing;
    chosenBox.replaceChildren();
    chosenBox.hidden = !thing;
    canvas.dataset.chosen = thing ? linkOf(thing).slice(1) : "";
    if (thing) {
      timeline.describe(thing).forEach((line, at) => {
        const element = document.createElement(at ? "p" : "strong");
        element.textContent = line;
        chosenBox.appendChild(element);
      });
      const anchor = document.createElement("a");
      anchor.href = anchor.textContent = linkOf(thing);
      chosenBox.appendChild(anchor);
      if (move) reveal(thing);
      if (link) note(linkOf(thing));
    }
    timeline.redraw();
  }
  // Only the part behind the sign changes: nothing is loaded, and the way back is not littered.
  function note(hash) {
    try { history.replaceState(null, "", hash); } catch { /* a page without an address of its own */ }
  }
  // Keeps the length of the view unless what is to be seen is far longer or far shorter.
  function reveal(thing) {
    const [a, b] = timeline.span(thing), length = b - a, middle = (a + b) / 2;
    let wide = lengthOf();
    if (length > wide * 0.8) wide = length * 1.6;
    if (length > 0 && length < wide / 200) wide = Math.max(length * 40, 20000);
    if (a >= view.from && b <= view.until && wide === lengthOf()) return;
    timeline.show(middle - wide / 2, middle + wide / 2);
  }

  // Links: to an operation by the position of its call, to a fault by its number, to a time or a stretch of time in seconds.
  function follow(hash) {
    const [, kind, value] = /^#(op|t|fault)=([0-9.eE-]+)$/.exec(hash) || [];
    if (!kind) return false;
    if (kind === "op") {
      const position = Number(value), at = calls.at.get(position);
      if (at !== undefined) choose({ type: "call", at }, { move: true, link: false });
      else byReturn(position);
    } else if (kind === "fault") {
      const at = data.faults.findIndex(fault => fault[0] === Number(value));
      if (at >= 0) choose({ type: "fault", at }, { move: true, link: false });
      else say("fault " + value + " never began");
    } else {
      const [a, b] = value.split("-").map(part => Number(part) * 1e6);
      if (Number.isFinite(b) && b > a) timeline.show(a, b);
      else timeline.show(a - lengthOf() / 2, a + lengthOf() / 2);
    }
    return true;
  }
  // Any event of an operation leads to it.
  function byReturn(position) {
    const at = calls.position.findIndex((called, i) => calls.returned[i] && called + calls.returned[i] === position);
    if (at >= 0) choose({ type: "call", at }, { move: true, link: false });
    else say(calls.count < data.total ? "event " + position + " is not among the operations in this page: see history.jsonl" : "no operation has event " + position);
  }
  function arrive(scroll) {
    if (!follow(location.hash)) return;
    if (scroll) byId("timeline").scrollIntoView({ block: "start" });
  }
  addEventListener("hashchange", () => arrive(true));

  // Searching.
  let hits = [], hitAt = -1;
  const say = words => { found.textContent = words; };
  function look() {
    const query = search.value.trim().toLowerCase();
    hits = [];
    hitAt = -1;
    state.hits = null;
    state.searches++;
    say("");
    if (query) {
      const lower = data.texts.map(text => text.toLowerCase());
      const marked = new Uint8Array(calls.count);
      const [, which, number] = /^(client|process|event) (\d+)$/.exec(query) || [];
      for (let i = 0; i < calls.count; i++) {
        const is = which ? (which === "client" ? calls.client[i] : which === "process" ? calls.process[i] : calls.position[i]) === Number(number)
          : [calls.f[i], calls.key[i], calls.argument[i], calls.result[i]].some(at => lower[at].includes(query))
            || (lower[calls.f[i]] + " " + lower[calls.key[i]] + " " + lower[calls.argument[i]] + " \u2192 " + lower[calls.result[i]]).includes(query);
        if (is) { marked[i] = 1; hits.push({ type: "call", at: i }); }
      }
      data.faults.forEach(([, kind, , , , nodes], at) => { if (!which && (kind + " " + nodes).toLowerCase().includes(query)) hits.push({ type: "fault", at }); });
      hits.sort((a, b) => timeline.span(a)[0] - timeline.span(b)[0]);
      state.hits = { calls: marked };
      say(hits.length ? hits.length.toLocaleString("en") + " found" : "nothing found");
    }
    timeline.redraw();
  }
  function next(step) {
    if (!hits.length) return;
    if (hitAt < 0 && step > 0) {
      // The first one from where one looks.
      const from = hits.findIndex(hit => timeline.span(hit)[1] >= view.from);
      hitAt = from < 0 ? 0 : from;
    } else hitAt = (hitAt + step + hits.length) % hits.length;
    choose(hits[hitAt], { move: true });
    say((hitAt + 1).toLocaleString("en") + " of " + hits.length.toLocaleString("en"));
  }
  search.addEventListener("input", look);
  search.addEventListener("keydown", event => {
    if (event.key === "Enter") { event.preventDefault(); next(event.shiftKey ? -1 : 1); }
    if (event.key === "Escape") { search.value = ""; look(); canvas.focus(); }
  });
  const usedKeys = [...new Set(calls.key)].sort((a, b) => data.texts[a].localeCompare(data.texts[b], "en", { numeric: true }));
  for (const key of usedKeys.slice(0, 500)) {
    const option = document.createElement("option");
    option.value = key;
    option.textContent = data.texts[key] || "(none)";
    keys.appendChild(option);
  }
  keys.addEventListener("change", () => { state.key = Number(keys.value); timeline.redraw(); });

  // Buttons and keys.
  const actions = {
    back: () => pan(-0.5), on: () => pan(0.5), in: () => zoom(0.5), out: () => zoom(2),
    all: () => timeline.show(0, data.end), first: () => timeline.show(first[0], first[1]),
    previous: () => next(-1), next: () => next(1),
  };
  byId("controls").addEventListener("click", event => actions[event.target.dataset.do]?.());
  // The neighbour of what is chosen: before or after it on its lane, or at the same time on the next lane.
  function neighbour(along, across) {
    const chosen = state.chosen?.type === "call" ? state.chosen : null;
    if (!chosen) {
      const middle = (view.from + view.until) / 2;
      let best = null;
      for (let i = 0; i < calls.count; i++) if (best === null || Math.abs(calls.from[i] - middle) < Math.abs(calls.from[best] - middle)) best = i;
      if (best !== null) choose({ type: "call", at: best }, { move: true });
      return;
    }
    let lane = calls.client[chosen.at], at = chosen.at;
    if (across) {
      do lane += across; while (lane >= 0 && lane < calls.lanes.length && !calls.lanes[lane].length);
      const list = calls.lanes[lane];
      if (!list) return;
      const slot = Math.min(list.length - 1, firstWhere(list.length, slot => calls.from[list[slot]] >= calls.from[at]));
      at = list[slot];
    } else {
      const list = calls.lanes[lane];
      const slot = firstWhere(list.length, slot => list[slot] >= at) + along;
      if (slot < 0 || slot >= list.length) return;
      at = list[slot];
    }
    choose({ type: "call", at }, { move: true });
  }
  const pressed = {
    ArrowLeft: event => event.shiftKey ? neighbour(-1, 0) : pan(-0.15), ArrowRight: event => event.shiftKey ? neighbour(1, 0) : pan(0.15),
    ArrowUp: () => neighbour(0, -1), ArrowDown: () => neighbour(0, 1),
    "+": () => zoom(0.7), "=": () => zoom(0.7), "-": () => zoom(1 / 0.7), _: () => zoom(1 / 0.7),
    Home: () => timeline.show(0, lengthOf()), End: () => timeline.show(data.end - lengthOf(), data.end),
    PageUp: () => pan(-0.9), PageDown: () => pan(0.9),
    0: actions.all, a: actions.first, n: actions.next, p: actions.previous, "/": () => search.focus(), Escape: () => choose(null),
  };
  canvas.addEventListener("keydown", event => {
    const act = pressed[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act(event);
  });

  // Pointers: one moves, two pinch, and one that stays chooses.
  const here = event => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
  const pointers = new Map();
  let travelled = 0;
  canvas.addEventListener("pointerdown", event => {
    if (event.pointerType === "mouse" && event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    if (!pointers.size) travelled = 0;
    pointers.set(event.pointerId, here(event));
    tip.hidden = true;
  });
  canvas.addEventListener("pointermove", event => {
    const before = pointers.get(event.pointerId), now = here(event);
    if (!before) { hover(event, now); return; }
    travelled += Math.abs(now[0] - before[0]) + Math.abs(now[1] - before[1]);
    const others = [...pointers].filter(([id]) => id !== event.pointerId);
    if (!others.length) {
      const shift = (before[0] - now[0]) / timeline.room() * lengthOf();
      timeline.show(view.from + shift, view.until + shift);
    } else {
      // The times under both fingers stay under them.
      const other = others[0][1], apart = Math.max(8, Math.abs(before[0] - other[0])), wide = Math.max(8, Math.abs(now[0] - other[0]));
      zoom(apart / wide, timeline.timeAt((now[0] + other[0]) / 2));
    }
    pointers.set(event.pointerId, now);
  });
  const ended = event => {
    if (!pointers.delete(event.pointerId) || pointers.size || event.type === "pointercancel") return;
    if (travelled < 7) choose(timeline.under(...here(event)));
    travelled = 0;
  };
  canvas.addEventListener("pointerup", ended);
  canvas.addEventListener("pointercancel", ended);
  canvas.addEventListener("wheel", event => {
    const sideways = event.shiftKey ? event.deltaY || event.deltaX : Math.abs(event.deltaX) > Math.abs(event.deltaY) ? event.deltaX : 0;
    if (event.ctrlKey || event.metaKey) zoom(Math.exp(Math.max(-1, Math.min(1, event.deltaY / 240))), timeline.timeAt(here(event)[0]));
    else if (sideways) pan(sideways / timeline.room());
    else return;
    event.preventDefault();
  }, { passive: false });
  function hover(event, [px, py]) {
    if (event.pointerType === "touch") return;
    const thing = timeline.under(px, py);
    state.hover = thing;
    timeline.redraw();
    tip.hidden = !thing;
    if (!thing) return;
    tip.textContent = timeline.describe(thing).join("\n");
    const box = tip.getBoundingClientRect();
    tip.style.left = Math.max(4, Math.min(event.clientX + 14, innerWidth - box.width - 8)) + "px";
    tip.style.top = (event.clientY + 18 + box.height > innerHeight ? Math.max(4, event.clientY - box.height - 12) : event.clientY + 18) + "px";
  }
  canvas.addEventListener("pointerleave", () => { tip.hidden = true; state.hover = null; timeline.redraw(); });

  // The overview: press to go there, drag to choose a stretch.
  const [left, right, width, top, bottom] = data.overview;
  const overviewTime = event => {
    const box = overview.getBoundingClientRect();
    return Math.min(1, Math.max(0, ((event.clientX - box.left) * width / box.width - left) / (right - left))) * data.end;
  };
  overview.addEventListener("pointerdown", event => {
    if (event.button !== 0) return;
    const begin = overviewTime(event), half = lengthOf() / 2;
    timeline.show(begin - half, begin + half);
    overview.setPointerCapture(event.pointerId);
    const moved = event => {
      const now = overviewTime(event);
      if (Math.abs(now - begin) > data.end / 200) timeline.show(Math.min(now, begin), Math.max(now, begin));
    };
    const over = () => overview.removeEventListener("pointermove", moved);
    overview.addEventListener("pointermove", moved);
    overview.addEventListener("pointerup", over, { once: true });
    overview.addEventListener("pointercancel", over, { once: true });
  });
  timeline.onDraw(() => {
    const scale = us => left + us / data.end * (right - left);
    viewport.setAttribute("x", scale(view.from));
    viewport.setAttribute("y", top);
    viewport.setAttribute("width", Math.max(2, scale(view.until) - scale(view.from)));
    viewport.setAttribute("height", bottom - top);
    spanText.textContent = seconds(view.from) + " to " + seconds(view.until);
  });
  arrive(location.hash.length > 1);
}

async function begin() {
  setUpPage();
  const canvas = byId("detail");
  if (canvas) {
    const data = await unpack("data");
    for (const element of document.querySelectorAll(".script-only")) element.hidden = false;
    root.classList.add("scripted");
    const timeline = makeTimeline(data, canvas);
    steer(timeline, canvas);
    // For whoever wants to ask the page by hand: where something is drawn, and what is said of it.
    globalThis.stormglass = { timeline };
  }
  // Whoever tests the page can see that the script came to its end.
  performance.measure("ready", { start: 0 });
  root.dataset.ready = "true";
}
begin().catch(error => {
  // The tables and the overview stand without it.
  const note = byId("script-failed");
  if (note) { note.hidden = false; note.textContent = "The timeline could not be drawn (" + error.message + "). It needs a browser of 2023 or later. All of the data is in history.jsonl and record.json."; }
  console.error(error);
});
