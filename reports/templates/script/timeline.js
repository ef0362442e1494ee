// The timeline on its canvas: what is drawn where. Steering it is another matter.
const ENDINGS = ["ok", "fail", "info"];
const ROLES = ["follows", "stands for election in", "leads"];
const CHARACTER_WIDTH = 6.1;
const LENGTH_MIN = 50;

// From top to bottom: an axis, each kind of fault, each node, each client.
function layOut(data, narrow) {
  const kinds = [...new Map(data.faults.map(fault => [fault[1], fault[2]]))].sort((a, b) => a[1] < b[1] ? -1 : a[1] > b[1] ? 1 : a[0] < b[0] ? -1 : 1);
  const lanes = [];
  let y = 26;
  const add = (type, index, name, high, family) => { lanes.push({ type, index, name, y, high, family }); y += high; };
  const faultHigh = kinds.length > 24 ? 12 : 15;
  for (const [kind, family] of kinds) add("fault", kind, kind, faultHigh, family);
  const faultsEnd = y;
  if (kinds.length) y += 8;
  for (let n = 0; n < data.nodes; n++) add("node", n, "n" + (n + 1), data.nodes > 16 ? 13 : 19);
  y += 8;
  const clientHigh = data.clients <= 16 ? 24 : data.clients <= 48 ? 15 : data.clients <= 200 ? 6 : 3;
  for (let c = 0; c < data.clients; c++) add("client", c, narrow ? "c" + c : "client " + c, clientHigh);
  const longest = Math.max(...lanes.map(lane => lane.high < 11 ? 0 : lane.name.length));
  const left = Math.min(narrow ? 92 : 170, 16 + longest * 6.2);
  return { lanes, left, right: 14, top: 26, faultsEnd, bottom: y + 2, height: y + 8, of: new Map(lanes.map(lane => [lane.type + lane.index, lane])) };
}

function makeTimeline(data, canvas) {
  const calls = tabulate(data);
  const context = canvas.getContext("2d");
  const text = position => data.texts[position];
  const view = { from: data.window[0], until: data.window[1] };
  const state = { chosen: null, hover: null, hits: null, searches: 0, key: -1, layout: null, width: 0, frames: 0, drawn: 0, cost: 0 };
  let colours, patterns, queued = false;
  const listeners = [];

  function readColours() {
    const style = getComputedStyle(root);
    colours = new Proxy({}, { get: (known, name) => known[name] ??= style.getPropertyValue("--" + name).trim() });
    patterns = {};
  }
  // Stripes for what is down, dots for what stands still: shape as well as colour.
  function pattern(name, paint) {
    if (patterns[name]) return patterns[name];
    const tile = document.createElement("canvas");
    tile.width = tile.height = 6;
    const brush = tile.getContext("2d");
    brush.strokeStyle = brush.fillStyle = colours[name];
    paint(brush);
    return patterns[name] = context.createPattern(tile, "repeat");
  }
  const stripes = brush => { brush.lineWidth = 1.6; brush.beginPath(); for (const at of [-6, 0, 6]) { brush.moveTo(at, 6); brush.lineTo(at + 6, 0); } brush.stroke(); };
  const dots = brush => { brush.fillRect(0, 0, 2, 6); };

  const room = () => state.width - state.layout.left - state.layout.right;
  const x = us => state.layout.left + (us - view.from) / (view.until - view.from) * room();
  const held = us => Math.min(state.width - state.layout.right, Math.max(state.layout.left, x(us)));
  const timeAt = px => view.from + (px - state.layout.left) / room() * (view.until - view.from);
  const meets = (a, b) => a <= view.until && b >= view.from;
  const extent = (a, b) => { const at = held(a); return [at, Math.max(1, held(b) - at)]; };

  function resize() {
    const width = Math.max(280, canvas.parentElement.clientWidth);
    state.layout = layOut(data, width < 600);
    state.width = width;
    const scale = Math.min(2, devicePixelRatio || 1);
    canvas.style.height = state.layout.height + "px";
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(state.layout.height * scale);
    context.setTransform(canvas.width / width, 0, 0, canvas.height / state.layout.height, 0, 0);
    redraw();
  }
  function redraw() {
    if (queued) return;
    queued = true;
    requestAnimationFrame(() => { queued = false; draw(); });
  }

  function label(words, at, y, wide, colour, size = 10.5) {
    const characters = Math.floor((wide - 6) / CHARACTER_WIDTH);
    if (characters < 3) return;
    context.font = size + "px system-ui, sans-serif";
    context.fillStyle = colour;
    context.fillText(words.length > characters ? words.slice(0, characters - 1) + "\u2026" : words, at + 4, y);
  }
  const roundStep = (length, marks) => {
    const raw = length / marks, power = 10 ** Math.floor(Math.log10(raw));
    return [1, 2, 5, 10].find(factor => raw <= factor * power) * power;
  };

  function draw() {
    const { layout, width } = state, began = performance.now();
    state.frames++;
    state.drawn = 0;
    context.clearRect(0, 0, width, layout.height);
    context.textBaseline = "middle";
    drawBackdrop();
    context.save();
    context.beginPath();
    context.rect(layout.left, 0, width - layout.left - layout.right + 1, layout.height);
    context.clip();
    drawFaults();
    drawNodes();
    drawCalls();
    drawMarks();
    drawChosen();
    context.restore();
    // What a frame takes of the page's own time, and how many bars it drew.
    state.cost = performance.now() - began;
    Object.assign(canvas.dataset, { from: Math.round(view.from), until: Math.round(view.until), frames: state.frames });
    for (const listener of listeners) listener();
  }

  function drawBackdrop() {
    const { layout, width } = state, right = width - layout.right;
    const step = roundStep((view.until - view.from) / 1e6, Math.max(2, room() / 105));
    const digits = step >= 1 ? 0 : Math.min(6, -Math.floor(Math.log10(step) + 1e-9));
    context.font = "10.5px system-ui, sans-serif";
    context.strokeStyle = colours.line;
    context.lineWidth = 1;
    context.beginPath();
    for (let n = Math.ceil(view.from / 1e6 / step); n * step <= view.until / 1e6; n++) {
      const at = Math.round(x(n * step * 1e6)) + 0.5;
      context.moveTo(at, layout.top - 5);
      context.lineTo(at, layout.bottom);
      context.fillStyle = colours.soft;
      context.textAlign = at > right - 24 ? "right" : "center";
      context.fillText((n * step).toFixed(digits) + " s", at, 8);
    }
    for (const lane of layout.lanes) {
      if (lane.high < 6) continue;
      const middle = Math.round(lane.y + lane.high / 2) + 0.5;
      context.moveTo(layout.left, middle);
      context.lineTo(right, middle);
    }
    context.stroke();
    context.textAlign = "right";
    context.fillStyle = colours.soft;
    const characters = Math.floor((layout.left - 10) / 5.6);
    for (const lane of layout.lanes) {
      if (lane.high < 11) continue;
      const name = lane.name.length > characters ? lane.name.slice(0, characters - 1) + "\u2026" : lane.name;
      context.fillText(name, layout.left - 7, lane.y + lane.high / 2 + 0.5);
    }
    context.textAlign = "left";
  }

  function drawFaults() {
    const { layout } = state;
    for (const [, kind, family, from, until, nodes, certain] of data.faults) {
      if (!meets(from, until)) continue;
      const lane = layout.of.get("fault" + kind), [at, wide] = extent(from, until);
      context.fillStyle = colours[family];
      context.globalAlpha = 0.07;
      context.fillRect(at, layout.faultsEnd, wide, layout.bottom - layout.faultsEnd);
      context.globalAlpha = certain ? 1 : 0.4;
      context.fillRect(at, lane.y + 1.5, Math.max(2, wide), lane.high - 3);
      context.globalAlpha = 1;
      if (nodes) label(nodes, at, lane.y + lane.high / 2 + 0.5, wide, certain ? colours.paper : colours.ink, lane.high > 12 ? 10.5 : 9);
    }
  }

  function drawNodes() {
    const { layout } = state;
    const lane = node => layout.of.get("node" + node);
    for (const [node, from, until, role, term] of data.stints) {
      if (!meets(from, until) || !lane(node)) continue;
      const { y, high } = lane(node), [at, wide] = extent(from, until), middle = y + high / 2;
      if (role === 2) {
        context.fillStyle = colours.lead;
        context.fillRect(at, y + high * 0.14, wide, high * 0.72);
        label("leads term " + term, at, middle + 0.5, wide, colours.paper);
      } else if (role === 1) {
        context.strokeStyle = colours.lead;
        context.lineWidth = 1.2;
        context.strokeRect(at + 0.5, y + high * 0.26, Math.max(1.5, wide - 1), high * 0.48);
        label("stands, term " + term, at, middle + 0.5, wide, colours.ink);
      } else {
        context.fillStyle = colours.lead;
        context.globalAlpha = 0.5;
        context.fillRect(at, middle - 1, wide, 2);
        context.globalAlpha = 1;
      }
    }
    const spans = (list, fill, words) => {
      for (const [node, from, until] of list) {
        if (!meets(from, until) || !lane(node)) continue;
        const { y, high } = lane(node), [at, wide] = extent(from, until);
        context.fillStyle = colours.paper;
        context.fillRect(at, y + 1, wide, high - 2);
        context.fillStyle = fill;
        context.fillRect(at, y + 1, wide, high - 2);
        if (wide > 46) {
          const said = words.length * CHARACTER_WIDTH + 4;
          context.fillStyle = colours.paper;
          context.fillRect(at + 2, y + 2, said, high - 4);
          label(words, at, y + high / 2 + 0.5, wide, colours.ink);
        }
      }
    };
    spans(data.outages, pattern("down", stripes), "down");
    spans(data.pauses, pattern("pause", dots), "paused");
  }

  // Whether an operation is one of those looked for.
  const isWanted = i => (state.key < 0 || calls.key[i] === state.key) && (!state.hits || state.hits.calls[i] === 1);

  // The bars of a client at this zoom: neighbours that touch are one, by how they ended and whether they are looked for. While one only moves, they stay.
  let zoomed = "", bars = [];
  function barsOf(client) {
    // In whole microseconds: what is added to both ends leaves the length the same but for its last digits.
    const perPixel = Math.round(view.until - view.from) / room(), zoom = perPixel + "|" + state.key + "|" + state.searches;
    if (zoom !== zoomed) { zoomed = zoom; bars = []; }
    return bars[client] ??= gather(calls.lanes[client], perPixel);
  }
  function gather(lane, perPixel) {
    const runs = Array.from({ length: 6 }, () => ({ from: [], until: [] })), open = [], worded = [];
    const picky = state.key >= 0 || state.hits, near = 0.3 * perPixel;
    for (const i of lane) {
      const from = calls.from[i], until = calls.until[i], ending = calls.ending[i], long = until - from;
      if (long >= 34 * perPixel) worded.push(i);
      if (ending === 2 && long > 5 * perPixel) { open.push(i); continue; }
      const run = runs[ending + (picky && !isWanted(i) ? 3 : 0)], last = run.from.length - 1;
      const end = Math.max(until, from + perPixel);
      if (last >= 0 && from <= run.until[last] + near) { if (end > run.until[last]) run.until[last] = end; }
      else { run.from.push(from); run.until.push(end); }
    }
    return { runs, open, worded };
  }

  function drawCalls() {
    const { layout } = state, picky = state.key >= 0 || state.hits;
    const shapes = [[0.19, 0.62], [0.55, 0.3], [0.06, 0.88]];
    for (let client = 0; client < data.clients; client++) {
      const { y, high } = layout.of.get("client" + client), { runs, open, worded } = barsOf(client);
      for (const faint of picky ? [3, 0] : [0]) {
        context.globalAlpha = faint ? 0.13 : 1;
        for (let ending = 0; ending < 3; ending++) {
          const { from, until } = runs[ending + faint];
          const top = y + high * shapes[ending][0], tall = Math.max(1, high * shapes[ending][1]);
          context.fillStyle = colours[ENDINGS[ending]];
          for (let at = firstWhere(from.length, at => until[at] >= view.from); at < from.length && from[at] <= view.until; at++) {
            const left = held(from[at]);
            context.fillRect(left, top, Math.max(1, held(until[at]) - left), tall);
            state.drawn++;
          }
        }
        const isHere = i => meets(calls.from[i], calls.until[i]) && (!picky || isWanted(i) === !faint);
        context.fillStyle = colours.info;
        for (const i of open) if (isHere(i)) drawOpen(...extent(calls.from[i], calls.until[i]), y + high * 0.19, high * 0.62, calls.returned[i] === 0);
        if (high > 11) for (const i of worded) if (isHere(i)) drawWords(i, y + high / 2);
      }
      context.globalAlpha = 1;
    }
    for (const i of calls.colliding) {
      if (!meets(calls.from[i], calls.until[i])) continue;
      const { y, high } = layout.of.get("client" + calls.client[i]), [at, wide] = extent(calls.from[i], calls.until[i]);
      context.strokeStyle = colours.bad;
      context.lineWidth = 2;
      context.strokeRect(at - 1, y + 1.5, wide + 2, Math.max(2, high - 3));
    }
  }
  // Nobody knows how it ended: a box that is open at its end.
  function drawOpen(at, wide, top, tall, never) {
    context.globalAlpha *= 0.28;
    context.fillRect(at, top, wide, tall);
    context.globalAlpha /= 0.28;
    context.strokeStyle = context.fillStyle;
    context.lineWidth = 1.4;
    context.setLineDash(never ? [4, 3] : []);
    context.beginPath();
    context.moveTo(at + wide, top);
    context.lineTo(at + 0.7, top);
    context.lineTo(at + 0.7, top + tall);
    context.lineTo(at + wide, top + tall);
    context.stroke();
    context.setLineDash([]);
  }
  function drawWords(i, middle) {
    const at = held(calls.from[i]), wide = held(calls.until[i]) - at;
    if (wide < 34) return;
    // What failed is a low bar: its words stand above it, on the paper.
    const failed = calls.ending[i] === 1, unknown = calls.ending[i] === 2;
    label(words(i), at, failed ? middle - 4 : middle + 0.5, wide, failed || unknown ? colours.ink : colours.paper, failed ? 9 : 10);
  }
  const words = i => [text(calls.f[i]), text(calls.key[i]), text(calls.argument[i])].filter(Boolean).join(" ");

  function drawMarks() {
    const { layout } = state;
    const line = (us, colour, words, dash) => {
      if (!meets(us, us)) return;
      const at = Math.round(x(us)) + 0.5;
      context.strokeStyle = context.fillStyle = colour;
      context.lineWidth = 1.5;
      context.setLineDash(dash);
      context.beginPath();
      context.moveTo(at, 14);
      context.lineTo(at, layout.bottom);
      context.stroke();
      context.setLineDash([]);
      if (!words) return;
      context.font = "650 10.5px system-ui, sans-serif";
      const half = words.length * 3.1, centre = Math.min(state.width - layout.right - half, Math.max(layout.left + half, at));
      context.textAlign = "center";
      const paper = colours.paper;
      context.fillStyle = paper;
      context.fillRect(centre - half - 3, 13, half * 2 + 6, 12);
      context.fillStyle = colour;
      context.fillText(words, centre, 19);
      context.textAlign = "left";
    };
    const near = data.marks.some(([us]) => Math.abs(x(us) - x(data.healed)) < 52);
    line(data.healed, colours.ok, near ? "" : "healed", [4, 3]);
    for (const [us] of data.marks) line(us, colours.bad, "broken", []);
  }

  // Where something is drawn, in pixels of the canvas; nothing when it has no lane.
  function place(thing) {
    if (!thing) return null;
    const { layout } = state;
    if (thing.type === "call") {
      const lane = layout.of.get("client" + calls.client[thing.at]), [at, wide] = extent(calls.from[thing.at], calls.until[thing.at]);
      return { x: at, y: lane.y, wide, high: lane.high };
    }
    if (thing.type === "fault") {
      const fault = data.faults[thing.at], lane = layout.of.get("fault" + fault[1]), [at, wide] = extent(fault[3], fault[4]);
      return { x: at, y: lane.y, wide, high: lane.high };
    }
    const lane = layout.of.get("node" + thing.at), at = held(thing.time);
    return { x: at - 2, y: lane.y, wide: 4, high: lane.high };
  }
  const span = thing => thing.type === "call" ? [calls.from[thing.at], calls.until[thing.at]] : thing.type === "fault" ? [data.faults[thing.at][3], data.faults[thing.at][4]] : [thing.time, thing.time];
  function drawChosen() {
    for (const [thing, colour] of [[state.hover, colours.soft], [state.chosen, colours.ink]]) {
      if (!thing || !meets(...span(thing))) continue;
      const box = place(thing);
      context.strokeStyle = colour;
      context.lineWidth = 2;
      context.strokeRect(box.x - 2, box.y, box.wide + 4, box.high);
    }
  }

  // What is drawn at a place: by lane and time, so that nothing needs a listener of its own.
  function under(px, py) {
    const lane = state.layout.lanes.find(lane => py >= lane.y && py < lane.y + lane.high);
    if (!lane || px < state.layout.left - 4) return null;
    const time = timeAt(px), slack = (view.until - view.from) / room() * 4;
    if (lane.type === "node") return { type: "node", at: lane.index, time: Math.min(data.end, Math.max(0, time)) };
    let best = null, distance = slack;
    const nearer = (type, at, from, until) => {
      const away = Math.max(0, from - time, time - until);
      if (away <= distance) { best = { type, at }; distance = away; }
    };
    if (lane.type === "fault") {
      data.faults.forEach((fault, at) => { if (fault[1] === lane.index) nearer("fault", at, fault[3], fault[4]); });
      return best;
    }
    const list = calls.lanes[lane.index], reach = calls.reaches[lane.index];
    const begin = firstWhere(list.length, slot => reach[slot] >= time - slack);
    for (let slot = begin; slot < list.length && calls.from[list[slot]] <= time + slack; slot++) nearer("call", list[slot], calls.from[list[slot]], calls.until[list[slot]]);
    return best;
  }

  function show(a, b) {
    const length = Math.min(data.end, Math.max(LENGTH_MIN, b - a));
    view.from = Math.max(0, Math.min(a, data.end - length));
    view.until = view.from + length;
    redraw();
  }

  // Everything there is to say of something, a line each.
  function describe(thing) {
    if (thing.type === "call") {
      const i = thing.at, returned = calls.returned[i];
      const lines = [words(i) + " \u2192 " + text(calls.result[i])];
      lines.push("client " + calls.client[i] + ", process " + calls.process[i] + ", event " + calls.position[i] + (returned ? " to " + (calls.position[i] + returned) : ""));
      lines.push("called at " + seconds(calls.from[i]) + (calls.length[i] < 0 ? ", never returned" : ", took " + duration(calls.length[i])));
      if (calls.before && calls.before[i] >= 0) lines.push("state before: " + text(calls.before[i]) + ", after: " + text(calls.after[i]));
      if (calls.culprit[i]) lines.push("one of those that collide");
      return lines;
    }
    if (thing.type === "fault") {
      const [id, kind, , from, until, nodes, certain] = data.faults[thing.at];
      return ["fault " + id + ": " + kind + (nodes ? " " + nodes : ""), "from " + seconds(from) + " for " + duration(until - from), ...certain ? [] : ["nothing shows that it did anything"]];
    }
    const within = list => list.find(([node, from, until]) => node === thing.at && from <= thing.time && thing.time < until);
    const lines = ["n" + (thing.at + 1) + " at " + seconds(thing.time)];
    const down = within(data.outages), paused = within(data.pauses), stint = within(data.stints);
    if (down) lines.push("down from " + seconds(down[1]) + " to " + seconds(down[2]));
    if (paused) lines.push("stands still from " + seconds(paused[1]) + " to " + seconds(paused[2]));
    if (stint && !down) {
      lines.push(ROLES[stint[3]] + (stint[3] ? " term " + stint[4] : stint[4] ? "; its last vote or candidacy was in term " + stint[4] : "") + ", from " + seconds(stint[1]) + " to " + seconds(stint[2]));
      const before = data.stints.filter(([node, , until]) => node === thing.at && until <= stint[1]).pop();
      if (before) lines.push("before: " + ROLES[before[3]] + (before[3] ? " term " + before[4] : ""));
    } else if (!down && !paused) lines.push("it noted nothing yet");
    return lines;
  }

  readColours();
  themeListeners.push(() => { readColours(); redraw(); });
  new ResizeObserver(() => { if (canvas.parentElement.clientWidth !== state.width) resize(); }).observe(canvas.parentElement);
  resize();
  return { data, calls, view, state, text, words, x, timeAt, room, place, span, under, show, redraw, describe, onDraw: listener => listeners.push(listener) };
}
