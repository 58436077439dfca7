// The race: who walks, the map they walk on, and their losses. A `walker` is a method of the page with the changes that the reader
// made to its numbers, its colour and its mark, and a runner (see engine.js).

const GLYPHS = { circle: "●", square: "■", triangle: "▲", diamond: "◆", down: "▼", cross: "✚" };

function makeWalker(k, changes = {}) {
  const taken = lab.walkers.map(({ look }) => look), look = [0, 1, 2, 3, 4, 5].find((i) => !taken.includes(i)) ?? lab.walkers.length % 6;
  return { k, changes, look, shape: SHAPES[look], get label() { return labelOf(this); }, runner: null };
}

// The name of its method; with the options in which they differ where walkers have the same one, and at last a number.
function labelOf(walker) {
  const { name } = data.methods[walker.k], alike = lab.walkers.filter((other) => data.methods[other.k].name === name), mine = optionsOf(walker);
  const told = (options, key) => `${key}=${optionText(options[key])}`, differs = (other, key) => told(optionsOf(other), key) !== told(mine, key);
  const apart = Object.keys(mine).filter((key) => mine[key] && alike.some((other) => differs(other, key)));
  const same = alike.slice(0, Math.max(0, alike.indexOf(walker))).filter((other) => !Object.keys(mine).some((key) => differs(other, key))).length;
  return `${name}${apart.length ? `(${apart.map((key) => told(mine, key)).join(", ")})` : ""}${same ? ` (${same + 1})` : ""}`;
}

function optionsOf(walker) {
  const { kind, rule, numbers, settings } = methodFor(walker);
  return kind === "first" ? { ...numbers, ...rule.constants } : settings;
}

function optionText(x) {
  if (Array.isArray(x)) return `(${x.map(optionText).join(", ")})`;
  return typeof x === "number" ? short(x) : typeof x === "string" ? `'${x}'` : x ? "True" : "None";
}
const colourOf = (walker) => ink(`walk-${walker.look}`);
const problemNow = () => problemOf(lab, "shown");

// The loss, made once for each part that uses it: it remembers the point at which products with its Hessian are asked for.
function problemOf(user, part) {
  user.problems ??= new Map();
  const key = `${part} ${lab.problem}`;
  if (!user.problems.has(key)) user.problems.set(key, PROBLEMS[lab.problem]());
  return user.problems.get(key);
}
const chosen = () => lab.walkers[lab.chosen];

// The method with the changes; a change of `betas` is the whole pair.
function methodFor({ k, changes }) {
  const { kind, rule, numbers, settings } = data.methods[k];
  return kind === "first" ? { kind, rule: RULES[rule], numbers: { ...numbers, ...changes } } : { kind, settings: { ...settings, ...changes } };
}

function makeRunnerFor(walker, start = lab.start, part = "walk") {
  const { state, counters } = data.methods[walker.k], resumed = state ? { state: Array.isArray(state) ? state.map((v) => Float64Array.from(v)) : state, counters } : {};
  return makeRunner({ problem: problemOf(walker, part), method: methodFor(walker), start: Float64Array.from(start), ...resumed });
}

// Bring a runner to t steps, or as far as a cost of t gradients goes.
function bring(runner, t) {
  if (lab.axis === "steps") return runner.seek(t);
  const { path } = runner;
  while (path.costs.at(-1) <= t) { const known = path.costs.length; runner.seek(known); if (path.costs.length === known) break; }
  let at = path.costs.length - 1;
  while (at > 0 && path.costs[at] > t) at--;
  return runner.seek(at);
}

// The map

const map = { plot: null, image: null, key: "", axes: null };

function drawMap(plot) {
  const problem = problemNow(), { view } = data.problems[lab.problem];
  map.axes = null;
  if (view) drawNet(plot, view);
  else if (problem.n === 2) drawPlane(plot);
  else if (problem.n === 1) drawCurve(plot);
  placeStart();
}

function drawPlane(plot) {
  const { c, ratio } = plot, [xs, ys] = lab.box, { X, Y, left, w, h } = planeAxes(plot, xs, ys, problemNames());
  const key = [lab.problem, lab.box, w, h, ratio, ink("background")].join();
  if (map.key !== key) {
    map.image = landscapeImage(makeLandscape(problemNow(), lab.box), Math.round(w * ratio), Math.round(h * ratio));
    map.key = key;
  }
  c.drawImage(map.image, left, 0, w, h);
  c.save();
  c.beginPath();
  c.rect(left, 0, w, h);
  c.clip();
  for (const [x, y] of data.problems[lab.problem].minima) drawStar(c, X(x), Y(y));
  for (const walker of lab.walkers) drawPath(c, X, Y, walker);
  if (lab.panel === "model") drawModelOnMap(c, X, Y);
  for (const walker of [...lab.walkers].sort((a) => (a === chosen() ? 1 : -1))) {
    const [x, y] = walker.runner.theta;
    if (Number.isFinite(x + y)) drawMark(c, walker.shape, X(x), Y(y), walker === chosen() ? 6.5 : 5, colourOf(walker), ink("background"));
  }
  c.restore();
  map.axes = { X, Y };
}

// The axes of a map, written: `left` and the size of what they frame. A name takes the place of the last number.
function planeAxes({ c, width, height }, xs, ys, [across, up]) {
  const left = 38, h = height - 26, X = makeAxis(xs[0], xs[1], left, width), Y = makeAxis(ys[0], ys[1], h, 0);
  c.fillStyle = ink("muted");
  c.textBaseline = "top";
  c.textAlign = "center";
  for (const t of X.ticks) if (X(t) < width - 30) c.fillText(X.text(t), Math.max(left + 6, X(t)), h + 6);
  c.textAlign = "right";
  c.textBaseline = "middle";
  for (const t of Y.ticks) if (Y(t) > 22) c.fillText(Y.text(t), left - 4, Math.min(Y(t), h - 6));
  c.fillStyle = ink("text");
  c.fillText(up, left - 4, 8);
  c.textBaseline = "top";
  c.fillText(across, width - 4, h + 6);
  return { X, Y, left, w: width - left, h };
}

function drawStar(c, x, y) {
  c.strokeStyle = ink("text");
  c.lineWidth = 1.4;
  c.beginPath();
  for (const a of [0, Math.PI / 3, (2 * Math.PI) / 3]) { c.moveTo(x - 5 * Math.cos(a), y - 5 * Math.sin(a)); c.lineTo(x + 5 * Math.cos(a), y + 5 * Math.sin(a)); }
  c.stroke();
}

function drawPath(c, X, Y, walker) {
  const { points } = walker.runner.path, last = walker.runner.t, colour = colourOf(walker);
  c.strokeStyle = c.fillStyle = colour;
  c.lineWidth = walker === chosen() ? 2.2 : 1.5;
  c.lineJoin = "round";
  c.beginPath();
  for (let t = 0; t <= last; t++) {
    const x = X(points[2 * t]), y = Y(points[2 * t + 1]);
    if (!(Math.abs(x) < 1e5 && Math.abs(y) < 1e5)) break;
    if (t) c.lineTo(x, y); else c.moveTo(x, y);
  }
  c.stroke();
  if (last > 150) return;
  for (let t = 0; t <= last; t++) { c.beginPath(); c.arc(X(points[2 * t]), Y(points[2 * t + 1]), 2, 0, 7); c.fill(); }
}

function drawCurve(plot) {
  const { c } = plot, problem = problemNow(), [low, most] = lab.box[0], xs = Array.from({ length: 301 }, (_, k) => low + ((most - low) * k) / 300);
  const ys = map.curve = wholeLosses(problem, xs.map((x) => Float64Array.of(x)));
  const F = frame(plot, { low, high: most, label: "w" }, { ...rangeOf(ys, false), label: "f" }, { left: 48, bottom: 30 });
  F.inside(() => {
    drawLine(c, F, xs, ys, ink("muted"));
    for (const walker of lab.walkers) {
      const { path, t } = walker.runner;
      const places = path.points.slice(0, t + 1);
      drawLine(c, F, places, places.map((x, s) => heightAt(x, path.losses[s])), colourOf(walker), DASHES[walker.look % 4], 1.2);
      drawMark(c, walker.shape, F.X(walker.runner.theta[0]), F.Y(heightAt(walker.runner.theta[0], walker.runner.loss)), walker === chosen() ? 6.5 : 5, colourOf(walker), ink("background"));
    }
  });
  map.axes = { X: F.X, Y: F.Y };
}

// Where a walker at x stands: on the curve. The loss of a mini-batch is another than the mean that is drawn, so that is looked up.
function heightAt(x, loss) {
  if (!problemNow().batches) return loss;
  const [low, most] = lab.box[0], u = ((x - low) / (most - low)) * 300, k = Math.max(0, Math.min(299, Math.floor(u)));
  return map.curve[k] + (u - k) * (map.curve[k + 1] - map.curve[k]);
}

// What the net answers at the places of a grid over its box; the first input runs fastest.
function answers(theta) {
  const { box, size } = data.problems[lab.problem].view, forward = FORWARDS[lab.problem], [places] = forward.data, d = size.length;
  if (!forward.filled) for (let k = 0; k < places.length / d; k++) for (let i = 0; i < d; i++) {
    const at = i === 0 ? k % size[0] : Math.floor(k / size[0]);
    places[k * d + i] = box[i][0] + ((box[i][1] - box[i][0]) * at) / (size[i] - 1);
  }
  forward.filled = true;
  return forward.run(theta);
}

// A net: its curve over one input for every walker; for the chosen one its answer over two; or what share of the rows all answer rightly.
const drawNet = (plot, view) => ({ curve: drawFit, border: drawBorder, share: drawShares })[view.kind](plot, view);

function drawFit(plot, view) {
  const { c } = plot, [low, most] = view.box[0], n = view.size[0], xs = Array.from({ length: n }, (_, k) => low + ((most - low) * k) / (n - 1));
  const F = frame(plot, { low, high: most, label: "x" }, { ...rangeOf(view.labels, false), label: "y" }, { left: 48, bottom: 30 });
  F.inside(() => {
    c.fillStyle = ink("muted");
    view.points.forEach(([x], k) => { c.beginPath(); c.arc(F.X(x), F.Y(view.labels[k]), 2.4, 0, 7); c.fill(); });
    for (const walker of lab.walkers) drawLine(c, F, xs, answers(walker.runner.theta), colourOf(walker), DASHES[walker.look % 4], walker === chosen() ? 2.6 : 1.6);
  });
}

function drawBorder(plot, view) {
  const { c } = plot, [xs, ys] = view.box, [nx, ny] = view.size, { X, Y, left, w, h } = planeAxes(plot, xs, ys, ["x₁", "x₂"]);
  const out = answers(chosen().runner.theta), image = c.createImageData(nx, ny), back = rgb(ink("background"));
  const kinds = [...new Set(view.labels)].sort((a, b) => a - b), hues = kinds.map((_, k) => rgb(ink(`walk-${k % 6}`)));
  for (let j = 0; j < ny; j++) for (let i = 0; i < nx; i++) {
    const [hue, sure] = answer(out, j * nx + i, view.outputs, hues), at = 4 * ((ny - 1 - j) * nx + i);
    for (let k = 0; k < 3; k++) image.data[at + k] = back[k] + (0.12 + 0.4 * sure) * (hue[k] - back[k]);
    image.data[at + 3] = 255;
  }
  const small = document.createElement("canvas");
  small.width = nx;
  small.height = ny;
  small.getContext("2d").putImageData(image, 0, 0);
  c.imageSmoothingEnabled = true;
  c.drawImage(small, left, 0, w, h);
  view.points.forEach(([x, y], k) => {
    const kind = kinds.indexOf(view.labels[k]);
    drawMark(c, SHAPES[kind % 6], X(x), Y(y), 3.4, ink(`walk-${kind % 6}`), ink("background"));
  });
}

// The share of the rows that a net answers with their class, along each walk.
function drawShares(plot, view) {
  const { c } = plot, F = frame(plot, { low: 0, high: lab.steps, label: "steps" }, { low: 0, high: 1.04, label: "share of the rows answered rightly" });
  const told = [];
  F.inside(() => {
    for (const walker of lab.walkers) {
      const { theta, t } = walker.runner, survey = surveyed(walker, "share", ({ theta: there }) => shareRight(there, view), () => plot.draw()), now = shareRight(theta, view);
      drawLine(c, F, [...survey.ts, t], [...survey.seen, now], colourOf(walker), DASHES[walker.look % 4], walker === chosen() ? 2.4 : 1.5);
      drawMark(c, walker.shape, F.X(t), F.Y(now), walker === chosen() ? 5.5 : 4.5, colourOf(walker), ink("background"));
      told.push(`${walker.label} ${short(now)}`);
    }
  });
  plot.canvas.setAttribute("aria-label", `Share of the rows that each walk answers rightly: ${told.join(", ")}`);
}

// With one output, a row is of class 1 where it is above 0; with more, of the class of the largest.
function shareRight(theta, { labels, outputs }) {
  const forward = FORWARDS[lab.problem];
  forward.data[0].set((problemNow().batches ?? problemNow()).data[0]);
  const out = forward.run(theta);
  const right = labels.filter((label, row) => {
    const mine = Array.from(out.subarray(row * outputs, (row + 1) * outputs));
    return !mine.some(Number.isNaN) && (outputs === 1 ? mine[0] > 0 === label > 0 : mine.indexOf(Math.max(...mine)) === label);
  });
  return right.length / labels.length;
}

// What `find` sees at places evenly spaced along a walk, up to where it is, as far as that is known: `ts` are the steps, `seen` what
// was found. A call computes nothing, so that the page follows its slider. The rest is found once the page has been left alone for a
// moment, or between the frames of a walk that plays, a few places at a time, and `redraw` shows it.
const PLACES = 48, MOMENT = 120, TURN = 6; // and the times, in milliseconds
function surveyed(walker, part, find, redraw) {
  walker.surveys ??= {};
  clearTimeout(walker.surveys[part]?.timer);
  if (walker.surveys[part]?.of !== walker.runner) walker.surveys[part] = { of: walker.runner, runner: makeRunnerFor(walker, lab.start, part), ts: [], seen: [] };
  const survey = walker.surveys[part], { ts, seen } = survey, count = ts.filter((t) => t <= walker.runner.t).length;
  if (placeToSee(survey) !== null) survey.timer = setTimeout(() => {
    if (!lab.walkers.includes(walker) || walker.runner !== survey.of) return;
    seeMore(survey, find);
    survey.going = true;
    redraw();
    survey.going = false;
  }, survey.going || lab.playing ? 0 : MOMENT);
  return { ts: ts.slice(0, count), seen: seen.slice(0, count) };
}

// The next step to look at; null where all are seen, or the walk has ended.
function placeToSee({ of, runner, ts }) {
  const t = Math.round((ts.length * lab.steps) / PLACES);
  return ts.length > PLACES || t > of.t || runner.stopped ? null : t;
}

function seeMore(survey, find) {
  const until = performance.now() + TURN;
  for (let t; (t = placeToSee(survey)) !== null && performance.now() <= until; ) {
    if (survey.runner.seek(t).t < t) return;
    survey.ts.push(t);
    survey.seen.push(find(survey.runner));
  }
}

// The hue of the class that a net answers with at a place, and how sure it is, from 0 to 1. One output is a logit.
function answer(out, place, outputs, hues) {
  if (outputs === 1) { const p = 1 / (1 + Math.exp(-out[place])); return [hues[p > 0.5 ? 1 : 0] ?? hues[0], Math.abs(2 * p - 1)]; }
  let best = 0, total = 0;
  for (let k = 1; k < outputs; k++) if (out[place * outputs + k] > out[place * outputs + best]) best = k;
  for (let k = 0; k < outputs; k++) total += Math.exp(out[place * outputs + k] - out[place * outputs + best]);
  return [hues[best % hues.length], (1 / total - 1 / outputs) / (1 - 1 / outputs)];
}

// The box that holds the start, the marked minima and all that the walkers come to below the first loss.
function fittedBox() {
  const { n } = problemNow(), { minima } = data.problems[lab.problem], all = [Array.from(lab.start), ...minima];
  for (const { runner } of lab.walkers) {
    bring(runner, Math.min(lab.steps, 200));
    const { losses, points } = runner.path;
    losses.forEach((loss, t) => { if (loss <= losses[0]) all.push(points.slice(n * t, n * t + n)); });
  }
  const sides = Array.from({ length: n }, (_, i) => [Math.min(...all.map((p) => p[i])), Math.max(...all.map((p) => p[i]))]);
  const widest = Math.max(...sides.map(([a, b]) => b - a)) || 2;
  return sides.map(([a, b]) => { const room = Math.max(0.18 * (b - a), 0.5 * (0.35 * widest - (b - a)), 1e-9); return [a - room, b + room]; });
}

// The start, which is dragged or moved with the arrow keys.

function placeStart() {
  const handle = $("start"), { axes } = map;
  handle.hidden = !axes;
  if (!axes) return;
  const y = problemNow().n === 1 ? heightAt(lab.start[0], lab.walkers[0].runner.path.losses[0]) : lab.start[1];
  const within = (pixel, most) => Math.max(0, Math.min(most, pixel));
  handle.style.left = `${within(axes.X(lab.start[0]), map.plot.width)}px`;
  handle.style.top = `${within(axes.Y(y), map.plot.height)}px`;
  handle.setAttribute("aria-label", `Start at ${Array.from(lab.start, (x) => short(x, 3)).join(", ")}. The arrow keys move it.`);
}

function moveStart(place) {
  if (!place.every(Number.isFinite)) return;
  lab.start = Float64Array.from(place);
  relaunch();
}

function listenToMap() {
  const stage = $("stage"), handle = $("start");
  const follow = (event) => {
    const area = stage.getBoundingClientRect(), { X, Y } = map.axes, within = (pixel, most) => Math.max(0, Math.min(most, pixel));
    const at = [X.back(within(event.clientX - area.left, area.width)), Y.back(within(event.clientY - area.top, area.height))];
    moveStart(at.slice(0, problemNow().n));
  };
  stage.addEventListener("pointerdown", (event) => {
    if (!map.axes || event.button > 0) return;
    stage.setPointerCapture(event.pointerId);
    handle.focus({ preventScroll: true });
    event.preventDefault();
    follow(event);
  });
  stage.addEventListener("pointermove", (event) => { if (stage.hasPointerCapture(event.pointerId)) follow(event); });
  handle.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!way) return;
    event.preventDefault();
    event.stopPropagation();
    const share = event.shiftKey ? 200 : 40;
    moveStart(Array.from(lab.start, (x, i) => x + (way[i] * (lab.box[i][1] - lab.box[i][0])) / share));
  });
}

// The losses

function drawLosses(plot) {
  const { c } = plot, { shown, above } = heights(lab.walkers.map(({ runner }) => runner.path.losses)), y = rangeOf(shown);
  const costs = lab.axis === "costs", F = frame(plot, { low: 0, high: lab.steps, label: costs ? "gradients" : "steps" }, { ...y, label: "loss" });
  F.inside(() => {
    for (const walker of lab.walkers) {
      const { path, t } = walker.runner, xs = costs ? path.costs : path.losses.map((_, k) => k), width = walker === chosen() ? 2.4 : 1.5;
      c.globalAlpha = 0.3;
      drawLine(c, F, xs, path.losses, colourOf(walker), DASHES[walker.look % 4], width);
      c.globalAlpha = 1;
      drawLine(c, F, xs.slice(0, t + 1), path.losses.slice(0, t + 1), colourOf(walker), DASHES[walker.look % 4], width);
    }
  });
  if (above !== null) {
    c.fillStyle = ink("text");
    c.textAlign = "right";
    c.fillText(`cut: losses reach ${short(above)}`, F.right, 9);
  }
  for (const walker of lab.walkers) { // whole, also at the edge
    const { path, t, loss } = walker.runner;
    if (Number.isFinite(loss)) drawMark(c, walker.shape, F.X(costs ? path.costs[t] : t), Math.min(F.bottom, Math.max(F.top, F.Y(loss))), 4.5, colourOf(walker), ink("background"));
  }
}

// The losses that the plot has room for, and the largest of those `above` it; null where there is none. A walk that diverges would
// press all others flat, so the plot ends at 50 times the first loss or, as the first may be 0, 50 times a loss of middling size.
function heights(walks) {
  const every = Math.ceil(Math.max(...walks.map((losses) => losses.length)) / 400);
  const sizes = Float64Array.from(walks.flatMap((losses) => losses.filter((_, t) => t % every === 0))).map(Math.abs).filter(Number.isFinite).sort();
  const most = 50 * Math.max(...walks.map(([first]) => Math.abs(first)), sizes[sizes.length >> 1] ?? 0), shown = [];
  let above = null;
  for (const losses of walks) for (const x of losses) if (x <= most) shown.push(x); else if (x > (above ?? most)) above = x;
  return { shown, above };
}
