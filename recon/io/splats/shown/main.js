// The page: unpack, sort, draw. It draws only what has changed, and fewer pixels while moving where graphics are slow.

const SHARPEST = 2, COARSEST = 0.25; // pixels for each of the page's
const SLOW = 45, FAST = 24; // milliseconds between two frames

const says = document.getElementById("says"), canvas = document.getElementById("scene");

function state(name, text = "") {
  document.body.dataset.state = name;
  says.textContent = text;
}

async function main() {
  const look = JSON.parse(document.getElementById("look").textContent);
  document.body.style.setProperty("--behind", `rgb(${look.background.map((x) => Math.round(255 * x)).join(" ")})`);
  const gl = graphicsOf(canvas);
  if (gl === null) {
    state("no-graphics", "This browser shows no 3D graphics (WebGL 2). Another browser, or another device, will show the scene.");
    return;
  }
  if (!("DecompressionStream" in window)) {
    state("old", "This browser is too old to unpack the scene. Any browser of 2023 or newer does.");
    return;
  }
  await new Promise((painted) => setTimeout(painted, 30));
  const splats = splatsOf(await unpacked(document.getElementById("splats").textContent), gl.getParameter(gl.MAX_TEXTURE_SIZE));
  show(gl, splats, look);
}

function show(gl, splats, look) {
  const paint = painter(gl, splats, look.background);
  let detail = 1, waiting = false, last = 0, sorted = null, rest = null;

  const draw = () => {
    const pixels = detail * Math.min(devicePixelRatio, SHARPEST);
    const width = Math.max(1, Math.round(canvas.clientWidth * pixels)), height = Math.max(1, Math.round(canvas.clientHeight * pixels));
    if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
    paint.draw(camera.view());
  };
  const frame = (time) => {
    waiting = false;
    const passed = time - last, moving = camera.follow(clamp(passed, 8, 100));
    last = time;
    if (moving && passed > SLOW && passed < 1000) detail = Math.max(detail * 0.8, COARSEST);
    if (moving && passed < FAST) detail = Math.min(detail * 1.06, 1);
    const view = camera.view();
    if (sorted === null || minus(view.eye, sorted.eye).some((x) => x !== 0) || minus(view.forward, sorted.forward).some((x) => x !== 0)) {
      if (sort.idle || !moving) { sort.ask(view); sorted = view; }
    }
    if (!moving && detail < 1) {
      clearTimeout(rest);
      rest = setTimeout(() => { detail = 1; again(); }, 150);
    }
    draw();
    if (moving) again();
  };
  const again = () => { if (!waiting) { waiting = true; requestAnimationFrame(frame); } };

  const camera = orbit(canvas, look, again);
  const sort = sorter(splats.positions, (order) => {
    paint.show(order);
    draw();
    state("ready");
  });
  document.getElementById("home").addEventListener("click", camera.home);
  addEventListener("resize", again);
  canvas.addEventListener("webglcontextlost", (event) => { event.preventDefault(); state("lost", "The graphics were taken away…"); });
  canvas.addEventListener("webglcontextrestored", () => location.reload());
  again();
}

main().catch((error) => state("damaged", `The scene could not be shown: ${error.message}.`));
