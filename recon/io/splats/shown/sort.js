// Which splats to draw in which order: the farthest first. Runs in a worker, so that turning the scene never waits.

/** Indices of the splats in front of the camera, by their distance along `forward`. Two passes over 16 bits of each. */
function farthestFirst(positions, forward, eye, nearest) {
  const count = positions.length / 3, depths = new Float32Array(count), bits = new Uint32Array(depths.buffer);
  const low = new Uint32Array(65537), high = new Uint32Array(65537), start = forward[0] * eye[0] + forward[1] * eye[1] + forward[2] * eye[2];
  const seen = new Uint32Array(count);
  let kept = 0;
  for (let i = 0, p = 0; i < count; i++, p += 3) {
    const depth = forward[0] * positions[p] + forward[1] * positions[p + 1] + forward[2] * positions[p + 2] - start;
    if (!(depth > nearest)) continue;
    depths[kept] = depth; // the bits of numbers above zero are in the order of the numbers
    bits[kept] = ~bits[kept];
    low[(bits[kept] & 65535) + 1]++;
    high[(bits[kept] >>> 16) + 1]++;
    seen[kept++] = i;
  }
  for (let i = 0; i < 65536; i++) { low[i + 1] += low[i]; high[i + 1] += high[i]; }
  const half = new Uint32Array(kept), order = new Uint32Array(kept);
  for (let i = 0; i < kept; i++) half[low[bits[i] & 65535]++] = i;
  for (let i = 0; i < kept; i++) order[high[bits[half[i]] >>> 16]++] = seen[half[i]];
  return order;
}

/** Calls `answer(order)` some time after `ask(view)`. Where a page may not have workers, it sorts by itself. */
function sorter(positions, answer) {
  let worker = null, busy = false, next = null;
  try {
    const program = `${farthestFirst}\nlet positions;
onmessage = ({ data }) => {
  if (data.positions) { positions = data.positions; return; }
  const order = farthestFirst(positions, data.forward, data.eye, data.nearest);
  postMessage(order, [order.buffer]);
};`;
    worker = new Worker(URL.createObjectURL(new Blob([program], { type: "text/javascript" })));
    worker.postMessage({ positions });
  } catch {
    worker = null;
  }
  const send = (view) => {
    busy = true;
    if (worker !== null) worker.postMessage(view);
    else setTimeout(() => done(farthestFirst(positions, view.forward, view.eye, view.nearest)));
  };
  const done = (order) => {
    busy = false;
    answer(order);
    if (next !== null) { const view = next; next = null; send(view); }
  };
  if (worker !== null) worker.onmessage = ({ data }) => done(data);
  return { ask: (view) => (busy ? (next = view) : send(view)), get idle() { return !busy; } };
}
