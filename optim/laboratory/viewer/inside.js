// Inside a step: the rule as it is drawn, with the numbers of one coordinate in its boxes, and the same as a table.

const CORRECTED = { m_hat: ["m", 0], v_hat: ["v", 1] };
const WIDE = 700; // pixels of a drawing, from which on it does not stand beside its table

function showInside() {
  const walker = chosen(), { runner } = walker, i = Math.min(lab.coordinate, problemNow().n - 1), method = data.methods[walker.k];
  const drawing = $("rule"), drawn = drawingOf(method, runner);
  if (drawing.dataset.drawn !== drawn) insertRule(drawing, drawn);
  drawing.hidden = method.kind !== "first";
  const found = runner.t && method.kind === "first" ? traced(runner, i) : null;
  const rows = found ? ruleRows(walker, found) : runner.t ? stepRows(walker, i) : [];
  fillTable($("inside-table"), rows, ["", "before", "after"]);
  $("inside-says").textContent = insideSentence(walker, i);
  if (method.kind === "first") fillBoxes(drawing, data.boxes[drawn], found);
  $("slopes").parentElement.hidden = !found || runner.t < 2; // one place is no line
  if (!found) return;
  const done = followed(walker, i), [average, square] = keptOf(found), keys = $("slopes").nextElementSibling.children;
  [average, square].forEach((name, k) => { keys[k + 1].hidden = !name; keys[k + 1].textContent = `${k ? "√" : ""}${symbol(name ?? "")}`; });
  keys[1].style.setProperty("--walk", colourOf(walker));
  slopes.plot.draw();
  if (!done) requestAnimationFrame(() => { if (lab.panel === "inside" && !lab.playing) showInside(); });
}

// The slope of the coordinate over time, beside what the rule keeps of it: an average, and the root of the mean square.

const slopes = { plot: null };

// The names of the average of the slope and of its mean square. Where the slope is divided by a root, b is no slope any more.
function keptOf(step) {
  const square = ["v_hat", "v"].find((name) => name in step);
  return [["m_hat", "m", ...(square ? [] : ["b"])].find((name) => name in step), square];
}

// Whether all steps up to the one shown are there; a few more are found each time, so that the page stays quick.
function followed(walker, i) {
  if (walker.slopes?.of !== walker.runner || walker.slopes.i !== i) walker.slopes = { of: walker.runner, i, runner: makeRunnerFor(walker, lab.start, "slopes"), rows: [] };
  const { runner, rows } = walker.slopes, { t } = walker.runner, until = performance.now() + 5;
  while (rows.length < t && performance.now() < until) {
    const step = made(runner.seek(rows.length + 1), i), [average, square] = keptOf(step);
    rows.push([step.g, step[average] ?? NaN, Math.sqrt(step[square])]);
  }
  return rows.length >= t;
}

function drawSlopes(plot) {
  const rows = chosen().slopes?.rows;
  if (!rows?.length) return;
  const { c } = plot, { t } = chosen().runner, shown = rows.slice(0, t), ts = shown.map((_, k) => k + 1);
  const F = frame(plot, { low: 0, high: Math.max(t, 10), label: "steps" }, { ...rangeOf(shown.flat(), false), label: "slope" });
  F.inside(() => {
    drawLine(c, F, [0, Math.max(t, 10)], [0, 0], ink("muted"), [], 1);
    drawLine(c, F, ts, shown.map(([g]) => g), ink("muted"), [], 1.3);
    drawLine(c, F, ts, shown.map(([, , root]) => root), ink("text"), [6, 3], 1.5);
    drawLine(c, F, ts, shown.map(([, average]) => average), colourOf(chosen()), [], 2.2);
  });
}

// What the rule computed for a coordinate, with what it was given: `before` w, the state and the counters, and t.
function traced(runner, i) {
  const { theta, state, counters } = runner.before, before = { w: theta[i], ...counters };
  runner.method.rule.state.forEach((name, k) => { before[name] = state[k][i]; });
  return { ...made(runner, i), before, t: runner.t };
}

// What the rule computed for a coordinate. Without a correction m̂ is m itself, and is not shown a second time.
function made(runner, i) {
  const step = runner.trace(i);
  if (runner.method.rule.constants.bias_correction === false) for (const name in CORRECTED) delete step[name];
  return step;
}

// The name of the drawing of a rule; the step that begins with a counter of 0, as the first does, may have its own.
function drawingOf(method, runner) {
  const name = `rule-${Object.keys(RULES).indexOf(method.rule)}`, first = `${name}-first`;
  const begins = runner.before && Object.entries(runner.before.counters ?? {}).some(([counter, x]) => counter !== "t" && x === 0);
  return begins && first in data.boxes ? first : name;
}

function insertRule(drawing, drawn) {
  const svg = document.importNode($(drawn)?.content ?? document.createDocumentFragment(), true).firstElementChild;
  drawing.dataset.drawn = drawn;
  drawing.replaceChildren();
  if (!svg) return;
  const width = svg.getAttribute("width");
  svg.style.minWidth = `${0.75 * width}px`; // beyond, it scrolls: a smaller one cannot be read
  drawing.parentElement.classList.toggle("stacked", width > WIDE);
  svg.removeAttribute("role");
  drawing.append(svg);
}

function fillBoxes(drawing, boxes, found) {
  for (const id in boxes) {
    const [when, name] = boxes[id], line = drawing.querySelector(`#${id} text:last-of-type`);
    if (!line) continue;
    const x = found === null ? undefined : when === "before" ? found.before[name] : found[name];
    line.textContent = x === undefined ? "" : long(x);
  }
}

// [name, symbol, before, after] of all that the rule made for this coordinate.
function ruleRows(walker, found) {
  const { runner } = walker, { numbers } = runner.method, rows = [["g", "slope g", undefined, found.g]], { state } = runner.method.rule;
  for (const name of state) if (found[name] !== undefined) rows.push([name, symbol(name), found.before[name], found[name]]);
  for (const name in found) {
    if (["g", "w", "step", "lr_eff", "before", "t", ...state].includes(name)) continue;
    const [stem, k] = CORRECTED[name] ?? [], beta = numbers.betas?.[k] ?? (k === 0 ? numbers.beta : undefined);
    const correction = 1 / (1 - beta ** (found.before.t + 1)); // of the training's step, which may have begun before the page
    const corrects = Math.abs(found[name] - correction * found[stem]) <= 1e-9 * Math.abs(found[name]); // NAdam's m̂ is another
    if (stem && corrects) rows.push([`correction_${stem}`, `correction 1/(1 − ${symbol(numbers.betas ? `beta_${k + 1}` : "beta")}ᵗ)`, undefined, correction]);
    rows.push([name, symbol(name), undefined, found[name]]);
  }
  if (found.lr_eff !== undefined) rows.push(["lr_eff", symbol("lr_eff"), undefined, found.lr_eff]);
  if (found.step !== undefined) rows.push(["step", "step", undefined, found.step]);
  rows.push(["w", coordinateName(Math.min(lab.coordinate, problemNow().n - 1)), found.before.w, found.w]);
  return rows;
}

function stepRows(walker, i) {
  const { info, theta } = walker.runner, rows = [["w", coordinateName(i), walker.runner.before.theta[i], theta[i]]];
  for (const [name, title] of [["step_norm", "length of the step ‖p‖"], ["radius", "radius Δ"], ["lambda_min", "least eigenvalue"], ["negative", "negative eigenvalues"], ["predicted", "predicted fall"], ["actual", "actual fall"], ["rho", "ratio ρ"], ["n_cg", "products with H"]]) {
    if (typeof info[name] === "number") rows.push([name, title, undefined, info[name]]);
  }
  return rows;
}

// The names of the coordinates: w₁ of a short vector, layers.0.weight[0, 1] of a net.
function problemNames() {
  const { names, shapes } = problemNow();
  return names.flatMap((name, k) => {
    const shape = shapes[k], size = shape.reduce((a, b) => a * b, 1);
    if (!shape.length) return [name];
    return Array.from({ length: size }, (_, i) => (name.length === 1 && shape.length === 1 ? symbol(`${name}_${i + 1}`) : `${name}[${indexOf(i, shape).join(", ")}]`));
  });
}

const coordinateName = (i) => $("coordinate").options[i].textContent;

function indexOf(i, shape) {
  const at = [];
  for (let axis = shape.length - 1; axis >= 0; axis--) { at.unshift(i % shape[axis]); i = Math.floor(i / shape[axis]); }
  return at;
}

function insideSentence(walker, i) {
  const { runner } = walker, name = coordinateName(i);
  if (runner.t === 0) return "No step has been taken yet. Press → or move the slider below the map.";
  const first = data.methods[walker.k].kind === "first", found = first ? traced(runner, i) : null;
  const head = `Step ${runner.t} of ${walker.label} moves ${name} by ${short(runner.theta[i] - runner.before.theta[i])}.`;
  if (!first) return `${head} It has no rule for single coordinates: “Model of a step” shows how it came about.`;
  return `${head} The slope is ${short(found.g)}${found.lr_eff === undefined ? "" : `, the effective rate ${short(found.lr_eff)}`}.`;
}

// A table of numbers: one row for each [name, title, ...numbers].
function fillTable(table, rows, head) {
  const keys = rows.map(([name, title]) => name + title).join();
  if (table.dataset.keys !== keys) {
    table.dataset.keys = keys;
    const top = make("tr");
    head.forEach((words) => top.append(make("th", words, { scope: "col" })));
    const body = rows.map(([name, title, ...numbers]) => {
      const row = make("tr", undefined, { "data-name": name });
      row.append(make("th", title, { scope: "row" }), ...numbers.map(() => make("td")));
      return row;
    });
    table.replaceChildren(...(rows.length ? [top, ...body] : []));
  }
  rows.forEach(([, , ...numbers], r) => numbers.forEach((x, k) => {
    const cell = table.rows[r + 1].cells[k + 1];
    if (typeof x === "number") say(cell, x, long(x)); else cell.textContent = x ?? "";
  }));
}
