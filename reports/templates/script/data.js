// The data of the page: columns of numbers, compressed. Times are in microseconds. Texts come from a run: they are only ever set as text, never as markup.
async function unpack(id) {
  const packed = atob(byId(id).textContent.trim());
  const bytes = Uint8Array.from(packed, character => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

// Sums of differences.
function summed(differences) {
  const sums = new Float64Array(differences.length);
  let sum = 0;
  for (let i = 0; i < differences.length; i++) sums[i] = sum += differences[i];
  return sums;
}

// The operations as the drawing wants them: columns, and for each client its own in order.
function tabulate(data) {
  const columns = data.calls, count = columns.client.length;
  const from = summed(columns.since), position = summed(columns.position);
  const until = new Float64Array(count);
  for (let i = 0; i < count; i++) until[i] = columns.length[i] < 0 ? data.end : from[i] + columns.length[i];
  const culprits = new Set(data.culprits);
  const culprit = new Uint8Array(count), colliding = [], at = new Map();
  const lanes = Array.from({ length: data.clients }, () => []);
  for (let i = 0; i < count; i++) {
    if (culprits.has(position[i])) { culprit[i] = 1; colliding.push(i); }
    at.set(position[i], i);
    lanes[columns.client[i]].push(i);
  }
  // The latest end so far: an operation that never returned may reach past many later ones.
  const reaches = lanes.map(lane => {
    const reach = new Float64Array(lane.length);
    let latest = 0;
    lane.forEach((i, slot) => { reach[slot] = latest = Math.max(latest, until[i]); });
    return reach;
  });
  return { ...columns, count, from, until, position, culprit, colliding, at, lanes, reaches };
}

const seconds = us => (us / 1e6).toFixed(3) + " s";
const duration = us => us < 1e3 ? us + " \u00b5s" : us < 1e4 ? (us / 1e3).toFixed(1) + " ms" : us < 1e6 ? Math.round(us / 1e3) + " ms" : (us / 1e6).toFixed(2) + " s";

// The first place in a sorted list of `length` where `is` holds.
function firstWhere(length, is) {
  let low = 0, high = length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (is(middle)) high = middle; else low = middle + 1;
  }
  return low;
}
