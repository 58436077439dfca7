// The page: what is chosen, the clock, the keys, and the address, in whose hash all of it is written.

const data = JSON.parse($("data").textContent);
const lab = {
  problem: 0, start: new Float64Array(0), box: null, walkers: [], chosen: 0, t: 0, steps: data.steps, axis: "steps", coordinate: 0,
  panel: "inside", preset: "", measured: [], playing: false,
};
const PANELS = { inside: showInside, model: showModel, stability: showStability, measured: showMeasured };
let losses; // the plot of the losses

// From here on the page follows `lab`

function launch() {
  for (const walker of lab.walkers) {
    try { walker.runner = makeRunnerFor(walker); } catch { // numbers of a hash that exclude each other
      walker.changes = {};
      walker.runner = makeRunnerFor(walker);
    }
  }
}

function relaunch() {
  launch();
  showLimit();
  show(lab.t);
}

function show(t) {
  lab.t = Math.max(0, Math.min(lab.steps, t));
  for (const { runner } of lab.walkers) bring(runner, lab.t);
  draw();
  followPanel();
}

function render() {
  draw();
  showPanel();
}

// All but the panel.
function draw() {
  map.plot.draw();
  losses.draw();
  [...$("walkers").children].forEach((row, k) => {
    const { loss, t, stopped } = lab.walkers[k].runner, arrived = row.querySelector(".arrived");
    say(row.querySelector(".loss"), loss);
    arrived.hidden = !stopped;
    if (stopped) say(arrived, t, `after ${t} step${t === 1 ? "" : "s"}`);
    arrived.title = stopped;
  });
  $("time").value = lab.t;
  $("time").setAttribute("aria-valuetext", `${lab.t} ${lab.axis === "steps" ? "steps" : "gradients"}`);
  $("count").textContent = `${lab.t} / ${lab.steps} ${lab.axis === "steps" ? "steps" : "gradients"}`;
  $("leader").textContent = leaderSentence();
  remember();
}

// The panel follows its reader at once, unless it has once taken longer for this walk than a frame has room for. Then it waits, and
// is said to be busy, until the page has been left alone for a moment, or a walk that plays has come to its end.
const FRAME = 9; // milliseconds
let slow = null, resting = 0; // the walk whose panel took long

function followPanel() {
  clearTimeout(resting);
  if (slow !== chosen()) { showPanel(); return; }
  $(`panel-${lab.panel}`).ariaBusy = "true";
  if (lab.panel === "stability") stability.plot.draw(); // which computes nothing, and puts off what it would still find
  if (!lab.playing) resting = setTimeout(showPanel, MOMENT);
}

function showPanel() {
  clearTimeout(resting);
  const began = performance.now();
  PANELS[lab.panel]();
  if (performance.now() - began > FRAME) slow = chosen();
  $(`panel-${lab.panel}`).ariaBusy = "false";
}

function leaderSentence() {
  const unit = lab.axis === "steps" ? "step" : "gradient", many = `${lab.t} ${unit}${lab.t === 1 ? "" : "s"}`;
  const stopped = chosen().runner.stopped;
  if (lab.t === 0) return `At the start the loss is ${short(lab.walkers[0].runner.loss)}.`;
  const ends = stopped ? ` ${chosen().label} has stopped at step ${chosen().runner.t}: ${lowered(stopped)}` : "";
  const finite = lab.walkers.filter(({ runner }) => Number.isFinite(runner.loss)), best = finite.sort((a, b) => a.runner.loss - b.runner.loss)[0];
  if (problemNow().batches && best) return `After ${many}. Each loss is that of the rows that the next step sees.${ends}`;
  if (!best) return `After ${many} every loss is beyond all numbers.${ends}`;
  return lab.walkers.length === 1 ? `After ${many} the loss is ${short(best.runner.loss)}.${ends}` : `After ${many} ${best.label} has the least loss, ${short(best.runner.loss)}.${ends}`;
}
const lowered = (text) => (/^[A-Z][a-z]/.test(text) ? text[0].toLowerCase() + text.slice(1) : text);

// Whole states

// Newton computes all eigenvalues in each step, which a page does for a few hundred unknowns at most.
const runsHere = (k) => data.methods[k].kind !== "newton" || problemNow().n <= DENSE_LIMIT;

function openProblem(k, start) {
  lab.problem = k;
  lab.start = Float64Array.from(start ?? data.problems[k].start);
  lab.coordinate = Math.min(lab.coordinate, problemNow().n - 1);
}

function openState({ problem, start, methods, chosen: position = 0, t, steps, axis, panel, coordinate, preset = "" }) {
  pause();
  lab.walkers = [];
  lab.coordinate = coordinate;
  openProblem(problem, start);
  Object.assign(lab, { steps, axis, panel, preset });
  for (const [k, changes] of methods) if (runsHere(k)) lab.walkers.push(makeWalker(k, changes));
  if (!lab.walkers.length) lab.walkers.push(makeWalker(data.methods.findIndex((_, k) => runsHere(k))));
  lab.chosen = Math.min(position, lab.walkers.length - 1);
  launch();
  const found = data.presets.find(({ name }) => name === preset);
  measure(found);
  lab.box = problemNow().n <= 2 && !data.problems[problem].view ? (data.problems[problem].region ?? fittedBox()) : null;
  $("problem").value = problem;
  $("preset").value = preset;
  $("axis").value = axis;
  $("time").max = steps;
  $("says").textContent = found?.says ?? data.problems[problem].says;
  const { name, view } = data.problems[problem];
  $("map").setAttribute("aria-label", `Map of ${name} with the walks on it`);
  document.body.classList.toggle("mapless", problemNow().n > 2 && !view);
  const names = problemNames();
  $("coordinate").replaceChildren(...names.map((name, i) => make("option", name, { value: i })));
  $("coordinate").value = lab.coordinate;
  showWalkers();
  openPanel(panel, false);
  show(t);
}

function openPreset(name) {
  const preset = data.presets.find((each) => each.name === name);
  if (!preset) return;
  const { start, t, steps, axis, panel, coordinate, chosen } = preset;
  openState({
    problem: data.problems.findIndex((each) => each.name === preset.problem), start, t, steps, axis, panel, coordinate, chosen, preset: name,
    methods: preset.methods.map(([label, changes]) => [methodNamed(label), changes]),
  });
}

function openPanel(name, drawn = true) {
  lab.panel = name;
  slow = null;
  for (const tab of $("tabs").children) {
    const on = tab.dataset.panel === name;
    tab.setAttribute("aria-selected", on);
    tab.tabIndex = on ? 0 : -1;
    Object.assign($(`panel-${tab.dataset.panel}`), { hidden: !on, ariaBusy: "false" });
  }
  if (drawn) render();
}

// The address

let written = "", waiting = 0;

function address() {
  const words = new URLSearchParams();
  if (lab.preset) words.set("preset", lab.preset);
  words.set("on", data.problems[lab.problem].name);
  if (problemNow().n <= 20) words.set("from", Array.from(lab.start).join(","));
  for (const { k, changes } of lab.walkers) words.append("who", JSON.stringify([data.methods[k].label, changes]));
  for (const [key, value] of [["chosen", lab.chosen], ["t", lab.t], ["of", lab.steps], ["axis", lab.axis], ["panel", lab.panel], ["number", lab.coordinate]]) words.set(key, value);
  return `#${words}`;
}

// Written when the page has come to rest, because browsers limit how often it may be.
function remember() {
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    if (lab.playing) return;
    written = address();
    try { history.replaceState(null, "", written); } catch { /* a frame of a notebook has no address of its own */ }
  }, 300);
}

const sizeOf = (problem) => data.problems[problem].start.length;

// The state that a hash describes; null if it describes none of this page.
function stateOf(hash) {
  const words = new URLSearchParams(hash.slice(1)), problem = data.problems.findIndex(({ name }) => name === words.get("on"));
  if (problem < 0) return null;
  const whole = (key, most, usual) => { const x = Number(words.get(key) ?? NaN); return Number.isInteger(x) && x >= 0 && x <= most ? x : usual; };
  const start = (words.get("from") ?? "").split(",").map(Number), fits = start.length === sizeOf(problem) && start.every(Number.isFinite);
  const steps = whole("of", 100000, data.steps) || data.steps, methods = words.getAll("who").map(readWalker).filter(Boolean).slice(0, 6);
  if (!methods.length) return null;
  return {
    problem, methods, steps, start: fits ? start : undefined, chosen: whole("chosen", methods.length - 1, 0), t: whole("t", steps, 0),
    axis: words.get("axis") === "costs" ? "costs" : "steps", panel: Object.hasOwn(PANELS, words.get("panel") ?? "") ? words.get("panel") : "inside",
    coordinate: whole("number", sizeOf(problem) - 1, 0), preset: data.presets.some(({ name }) => name === words.get("preset")) ? words.get("preset") : "",
  };
}

// [position, changes] of a walker in a hash, with those numbers only that its method has.
function readWalker(text) {
  try {
    const [label, given] = JSON.parse(text), k = methodNamed(label), known = { ...data.methods[k].numbers, ...data.methods[k].settings };
    return [k, Object.fromEntries(Object.entries(given).filter(([name, x]) => name in known && fitsLike(x, known[name], name)))];
  } catch { return null; }
}
function fitsLike(x, usual, name) {
  if (Array.isArray(usual)) return Array.isArray(x) && x.length === usual.length && x.every((y, i) => fitsLike(y, usual[i], name));
  if (name in CHOICES) return CHOICES[name].includes(x);
  if (usual === null) return typeof x === "number" && x > 0 && x < Infinity;
  return typeof x === "number" && Number.isFinite(x) && x >= 0 && (!MEMORY.includes(name) || x < 1);
}

// The clock

let last = 0, progress = 0;
const intervals = []; // of the last frames, in milliseconds

function play() {
  if (lab.t >= lab.steps) show(0);
  lab.playing = true;
  progress = lab.t;
  last = 0;
  intervals.length = 0;
  showPlaying();
  requestAnimationFrame(tick);
}

function pause() {
  if (lab.playing) { lab.playing = false; followPanel(); }
  showPlaying();
}

function showPlaying() {
  $("play").classList.toggle("on", lab.playing);
  $("play").setAttribute("aria-label", lab.playing ? "Pause" : "Play");
  $("leader").setAttribute("aria-live", lab.playing ? "off" : "polite");
}

function tick(now) {
  if (!lab.playing) return;
  if (last) {
    intervals.push(now - last);
    if (intervals.length > 240) intervals.shift();
    progress = Math.min(lab.steps, progress + (Math.min(now - last, 100) / 1000) * +$("speed").value);
    if (Math.floor(progress) !== lab.t) show(Math.floor(progress));
  }
  last = now;
  $("clock").textContent = intervals.length > 20 ? `${Math.round(framesASecond())} frames a second` : "";
  if (lab.t >= lab.steps) { pause(); remember(); return; }
  requestAnimationFrame(tick);
}

// By the median frame: a single late one is not the page's doing.
function framesASecond() {
  const sorted = [...intervals].sort((a, b) => a - b);
  return 1000 / sorted[Math.floor(sorted.length / 2)];
}

// The elements

function flip() {
  const dark = (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  root.dataset.theme = dark ? "light" : "dark";
  showWalkers();
  render();
}

function go(t) { pause(); show(t); }

function listen() {
  const press = (id, act) => $(id).addEventListener("click", act);
  press("first", () => go(0));
  press("back", () => go(lab.t - 1));
  press("forth", () => go(lab.t + 1));
  press("play", () => (lab.playing ? (pause(), remember()) : play()));
  press("theme", flip);
  press("anew", () => (lab.preset ? openPreset(lab.preset) : openFirst()));
  press("double", () => { change("lr", 2 * rateOf(chosen())); showSliders(); });
  $("time").addEventListener("input", () => go(+$("time").value));
  $("axis").addEventListener("change", () => { lab.axis = $("axis").value; show(lab.t); });
  $("coordinate").addEventListener("change", () => { lab.coordinate = +$("coordinate").value; render(); });
  $("preset").addEventListener("change", () => { if ($("preset").value) openPreset($("preset").value); else { lab.preset = ""; lab.measured = []; render(); } });
  $("problem").addEventListener("change", () => openState({ ...currentState(), problem: +$("problem").value, start: undefined, preset: "", coordinate: 0 }));
  for (const tab of $("tabs").children) tab.addEventListener("click", (event) => {
    openPanel(tab.dataset.panel);
    if (event.detail) tab.blur(); // after the mouse the arrow keys step; who came by keys goes on among the tabs
  });
  $("tabs").addEventListener("keydown", (event) => {
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key], tabs = [...$("tabs").children].filter((tab) => !tab.hidden);
    if (!way) return;
    event.stopPropagation();
    const next = tabs[(tabs.indexOf(document.activeElement) + way + tabs.length) % tabs.length];
    openPanel(next.dataset.panel);
    next.focus();
  });
  document.addEventListener("keydown", keyPressed);
  addEventListener("hashchange", () => { if (location.hash !== written) { const found = stateOf(location.hash); if (found) openState(found); } });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { showWalkers(); render(); });
  listenToMap();
  listenToAdd();
}

function keyPressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, select, textarea") || (event.key === " " && event.target.closest("button"))) return;
  const act = { ArrowLeft: () => go(lab.t - 1), ArrowRight: () => go(lab.t + 1), Home: () => go(0), End: () => go(lab.steps), " ": () => $("play").click(), t: flip }[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

const currentState = () => ({
  problem: lab.problem, start: lab.start, methods: lab.walkers.map(({ k, changes }) => [k, changes]), chosen: lab.chosen, t: lab.t, steps: lab.steps,
  axis: lab.axis, panel: lab.panel, coordinate: lab.coordinate, preset: lab.preset,
});

function begin() {
  $("title").textContent = document.title = data.title;
  $("preset").append(make("option", "none", { value: "" }), ...data.presets.map(({ name }) => make("option", name, { value: name })));
  $("preset-field").hidden = !data.presets.length;
  $("tab-measured").hidden = !data.presets.length;
  $("problem").append(...data.problems.map(({ name }, k) => make("option", name, { value: k })));
  $("problem-field").hidden = data.problems.length < 2;
  map.plot = makePlot($("map"), drawMap);
  losses = makePlot($("losses"), drawLosses);
  slopes.plot = makePlot($("slopes"), drawSlopes);
  along.plot = makePlot($("along"), drawAlong);
  stability.plot = makePlot($("stability"), drawStability);
  listen();
  const found = stateOf(location.hash);
  if (found) openState(found); else openFirst();
}

// As the page opens.
function openFirst() {
  if (data.presets.length) openPreset(data.presets[0].name);
  else openState({ problem: 0, methods: data.methods.slice(0, 6).map((_, k) => [k, {}]), t: 0, steps: data.steps, axis: "steps", panel: "inside", coordinate: 0 });
}

begin();
