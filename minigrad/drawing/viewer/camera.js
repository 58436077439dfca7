// Where one looks: `x`, `y` of the stage's corner in the window and the scale `k`. Moving transforms the stage and touches
// nothing inside it; while it moves it is a layer of its own, and is drawn anew at its scale when it has come to rest.

function makeCamera(view, stage, changed) {
  const camera = { x: 0, y: 0, k: 1, width: 1, height: 1 };
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  let frame = 0, rest = 0, flight = 0, drawn = 1;

  const least = () => Math.min(0.2, 0.7 * fitting());
  const fitting = () => Math.min(Math.max(view.clientWidth, 1) / (camera.width + 48), Math.max(view.clientHeight, 1) / (camera.height + 48));

  function draw() {
    frame = 0;
    stage.style.transform = `translate(${camera.x}px, ${camera.y}px) scale(${camera.k})`;
    changed(camera.k);
    clearTimeout(rest);
    if (drawn !== camera.k) rest = setTimeout(sharpen, 160);
  }
  function sharpen() { // a layer keeps the scale at which it became one
    drawn = camera.k;
    stage.style.willChange = "auto";
    requestAnimationFrame(() => requestAnimationFrame(() => { stage.style.willChange = "transform"; }));
  }
  function moved() { if (!frame) frame = requestAnimationFrame(draw); }
  function to(x, y, k, slowly) {
    cancelAnimationFrame(flight);
    if (!slowly || calm.matches) { Object.assign(camera, { x, y, k }); moved(); return; }
    const from = { x: camera.x, y: camera.y, k: camera.k }, start = performance.now();
    const fly = (now) => {
      const t = Math.min(1, Math.max(0, (now - start) / 260)), s = t * t * (3 - 2 * t);
      camera.k = from.k * (k / from.k) ** s;
      camera.x = from.x + (x - from.x) * s;
      camera.y = from.y + (y - from.y) * s;
      draw();
      if (t < 1) flight = requestAnimationFrame(fly);
    };
    flight = requestAnimationFrame(fly);
  }

  camera.pan = (dx, dy, slowly) => to(camera.x + dx, camera.y + dy, camera.k, slowly);
  camera.zoom = (factor, x = view.clientWidth / 2, y = view.clientHeight / 2, slowly = false) => {
    const k = Math.min(4, Math.max(least(), camera.k * factor)), ratio = k / camera.k;
    to(x - (x - camera.x) * ratio, y - (y - camera.y) * ratio, k, slowly);
  };
  // Everything, above what covers the lower border (`room` high) if there is space for both.
  camera.fit = (slowly, room) => {
    const k = Math.min(1.25, fitting()), free = view.clientHeight - camera.height * k;
    to((view.clientWidth - camera.width * k) / 2, free - room > 24 ? (free - room) / 2 : Math.max(free / 2, free - room - 12), k, slowly);
  };
  // The first look: everything if that can be read, else the beginning at a size that can be.
  camera.open = (room) => {
    if (fitting() >= 0.5) { camera.fit(false, room); return; }
    const seen = 0.65, at = (all, whole) => Math.max((all - whole * seen) / 2, 16);
    to(at(view.clientWidth, camera.width), at(view.clientHeight - room, camera.height), seen);
  };
  camera.centre = ([x, y, width, height], slowly, k = camera.k) =>
    to(view.clientWidth / 2 - (x + width / 2) * k, view.clientHeight / 2 - (y + height / 2) * k, k, slowly);
  // Move just so far that a box is in sight, clear of what covers the borders.
  camera.show = ([x, y, width, height], { below, right }, slowly) => {
    const shift = (low, high, from, to) => (low < from ? from - low : high > to ? Math.max(to - high, from - low) : 0);
    const left = camera.x + x * camera.k, top = camera.y + y * camera.k;
    const dx = shift(left, left + width * camera.k, 24, view.clientWidth - right - 24);
    const dy = shift(top, top + height * camera.k, 24, view.clientHeight - below - 24);
    if (dx || dy) to(camera.x + dx, camera.y + dy, camera.k, slowly);
  };
  camera.place = to;
  camera.at = ([x, y, width, height]) => [camera.x + (x + width / 2) * camera.k, camera.y + (y + height / 2) * camera.k];

  // Pointers: one drags, two pinch. A press that does not move is a click, and is told apart here.
  const pointers = new Map();
  let travelled = 0;
  view.addEventListener("pointerdown", (event) => {
    if (event.button > 0) return;
    if (!pointers.size) travelled = 0;
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
  });
  view.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = [event.clientX, event.clientY], dx = now[0] - before[0], dy = now[1] - before[1];
    travelled += Math.abs(dx) + Math.abs(dy);
    if (travelled <= 4) return;
    if (!view.hasPointerCapture(event.pointerId)) { view.setPointerCapture(event.pointerId); view.classList.add("moving"); }
    if (pointers.size === 2) {
      const [other] = [...pointers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
      const area = view.getBoundingClientRect(), length = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]) || 1;
      camera.x += dx / 2;
      camera.y += dy / 2;
      camera.zoom(length(now, other) / length(before, other), (now[0] + other[0]) / 2 - area.left, (now[1] + other[1]) / 2 - area.top);
    } else camera.pan(dx, dy);
    pointers.set(event.pointerId, now);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    view.addEventListener(end, (event) => {
      pointers.delete(event.pointerId);
      if (!pointers.size) view.classList.remove("moving");
    });
  }
  view.addEventListener("wheel", (event) => {
    event.preventDefault();
    const area = view.getBoundingClientRect(), lines = event.deltaMode ? 24 : 1;
    camera.zoom(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0016)), event.clientX - area.left, event.clientY - area.top);
  }, { passive: false });
  camera.dragged = () => travelled > 4;
  return camera;
}
