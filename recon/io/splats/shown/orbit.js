// Where the visitor stands: around a target, y up, within the limits of the look. Angles in radians, azimuth from +z
// towards +x. Mouse, fingers and keys change where the camera is going; it follows in a few frames.

const FOLLOWS = 0.012; // share of the way in a millisecond
const TURN = 0.006, KEY_TURN = 0.12, KEY_ZOOM = 1.15;

const clamp = (x, low, high) => Math.min(Math.max(x, low), high);
const minus = (a, b) => a.map((x, i) => x - b[i]);
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const unit = (a) => { const length = Math.hypot(...a) || 1; return a.map((x) => x / length); };

/** The camera of a canvas; `changed()` is called when it begins to move. */
function orbit(canvas, look, changed) {
  const offset = minus(look.eye, look.target), far = Math.hypot(...offset);
  const first = { azimuth: Math.atan2(offset[0], offset[2]), elevation: Math.asin(clamp(offset[1] / far, -1, 1)), distance: far, target: look.target };
  let now = { ...first }, goal = { ...first };

  const limit = () => {
    goal.elevation = clamp(goal.elevation, look.lowest, look.highest);
    goal.distance = clamp(goal.distance, look.nearest, look.farthest);
    if (look.around !== null) goal.azimuth = clamp(goal.azimuth, first.azimuth + look.around[0], first.azimuth + look.around[1]);
    const away = minus(goal.target, first.target), length = Math.hypot(...away);
    if (length > look.reach) goal.target = first.target.map((x, i) => x + away[i] * look.reach / length);
    changed();
  };
  const turn = (across, up) => { goal.azimuth -= across; goal.elevation += up; limit(); };
  const zoom = (factor) => { goal.distance *= factor; limit(); };
  const move = (across, down) => { // by pixels
    const view = axes(now), unitPixels = 2 * now.distance * tangent() / canvas.clientHeight;
    goal.target = goal.target.map((x, i) => x - unitPixels * (across * view.right[i] + down * view.down[i]));
    limit();
  };
  const home = () => { // the short way round
    const turns = Math.round((goal.azimuth - first.azimuth) / (2 * Math.PI));
    now.azimuth -= turns * 2 * Math.PI;
    goal = { ...first };
    changed();
  };
  const tangent = () => { // of half the vertical angle: between filling a narrow window and showing all of the photo
    const whole = Math.max(look.down, look.across * canvas.clientHeight / canvas.clientWidth);
    return Math.min(Math.sqrt(look.down * whole), 1.2);
  };

  listen(canvas, { turn, zoom, move, home });
  return {
    home,
    /** Comes nearer to where it is going; whether it still moves. */
    follow(milliseconds) {
      const share = 1 - Math.exp(-FOLLOWS * milliseconds);
      const left = Math.abs(goal.azimuth - now.azimuth) + Math.abs(goal.elevation - now.elevation)
        + Math.abs(Math.log(goal.distance / now.distance)) + Math.hypot(...minus(goal.target, now.target)) / now.distance;
      const to = (a, b) => (left < 1e-4 ? b : a + share * (b - a));
      now = {
        azimuth: to(now.azimuth, goal.azimuth), elevation: to(now.elevation, goal.elevation),
        distance: to(now.distance, goal.distance), target: now.target.map((x, i) => to(x, goal.target[i])),
      };
      return left >= 1e-4;
    },
    view: () => ({ ...axes(now), tangent: tangent(), nearest: 0.02 * look.nearest }),
  };
}

/** Eye and axes of a camera: x right, y down, z forward. */
function axes({ azimuth, elevation, distance, target }) {
  const outward = [Math.cos(elevation) * Math.sin(azimuth), Math.sin(elevation), Math.cos(elevation) * Math.cos(azimuth)];
  const forward = outward.map((x) => -x), right = unit(cross(forward, [0, 1, 0]));
  return { eye: target.map((x, i) => x + distance * outward[i]), forward, right, down: cross(forward, right) };
}

function listen(canvas, { turn, zoom, move, home }) {
  const pointers = new Map();
  const middle = () => { const all = [...pointers.values()]; return [0, 1].map((i) => all.reduce((sum, p) => sum + p[i], 0) / all.length); };
  const apart = () => { const [a, b] = [...pointers.values()]; return Math.max(Math.hypot(a[0] - b[0], a[1] - b[1]), 1); };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
    document.body.classList.add("begun");
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!pointers.has(event.pointerId)) return;
    const before = middle(), wide = pointers.size === 2 ? apart() : 0;
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
    const after = middle(), across = after[0] - before[0], down = after[1] - before[1];
    if (pointers.size === 2) { zoom(wide / apart()); move(across, down); }
    else if (event.buttons === 2 || event.shiftKey) move(across, down);
    else turn(TURN * across, TURN * down);
  });
  for (const over of ["pointerup", "pointercancel"]) canvas.addEventListener(over, (event) => pointers.delete(event.pointerId));
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(Math.exp(clamp(event.deltaY * (event.deltaMode === 1 ? 30 : 1), -200, 200) * 0.0015));
    document.body.classList.add("begun");
  }, { passive: false });
  const keys = {
    ArrowLeft: () => turn(KEY_TURN, 0), ArrowRight: () => turn(-KEY_TURN, 0), ArrowUp: () => turn(0, KEY_TURN), ArrowDown: () => turn(0, -KEY_TURN),
    "+": () => zoom(1 / KEY_ZOOM), "=": () => zoom(1 / KEY_ZOOM), "-": () => zoom(KEY_ZOOM), Home: home,
  };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in keys)) return;
    event.preventDefault();
    keys[event.key]();
  });
}
