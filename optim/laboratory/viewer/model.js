// The model of a step: the loss along the step beside the line and the parabola that slope and curvature predict; and for
// Newton-CG the way of CG, on the map and as a table.

// From a quarter of a step before it to two steps, in `parts` of a quarter: place `parts` is before the step, 5·`parts` after it.
const alphas = (parts) => Array.from({ length: 9 * parts + 1 }, (_, k) => -0.25 + k / (4 * parts));
const along = { plot: null, found: null, parts: 8 };

function showModel() {
  const walker = chosen(), { runner } = walker, problem = problemNow(), none = runner.t === 0;
  $("along").hidden = none;
  $("model-says").textContent = none ? "No step has been taken yet. Press → or move the slider below the map." : "";
  along.found = null;
  if (none) { fillTable($("model-table"), [], []); fillTable($("cg-table"), [], []); return; }
  feed(problem, runner.t); // the mini-batch of this step
  const from = runner.before.theta, step = runner.theta.map((x, i) => x - from[i]), began = performance.now();
  const g = new Float64Array(problem.n), before = problem.gradient(from, g), after = problem.gradient(runner.theta, new Float64Array(problem.n)), slope = dot(g, step);
  along.parts = performance.now() - began > 1 ? 2 : 8;
  const found = alongStep(problem, from, step, alphas(along.parts));
  const { bend, curvature } = curvatureAlong(problem, from, step);
  along.found = found;
  along.plot.draw();
  const foretold = slope + 0.5 * bend, actual = after - before;
  fillTable($("model-table"), [
    ["line", "change by the line, gᵀp", slope], ["parabola", "by the parabola, gᵀp + ½pᵀHp", foretold], ["actual", "the true change", actual],
    ["rho", "true ÷ parabola, ρ", actual / foretold], ["curvature", "curvature along p, pᵀHp/‖p‖²", curvature], ["length", "length of the step, ‖p‖", norm(step)],
  ], ["", "value"]);
  showCG(runner.info);
  $("model-says").textContent = modelSentence(walker, foretold, actual, bend);
  const { numbers, settings } = methodFor(walker);
  if ((numbers ?? settings).weight_decay) $("model-says").textContent += " g and H are those of the loss, without weight decay.";
}

const WHY = { boundary: " at the radius", converged: ", because the residual is small enough", "negative curvature": " at negative curvature" };
function modelSentence(walker, foretold, actual, bend) {
  const { info } = walker.runner, rho = actual / foretold;
  const fall = actual < 0 ? `The loss falls by ${short(-actual)}` : `The loss rises by ${short(actual)}`;
  const trust = foretold < 0 ? `, ${short(100 * rho, 3)} % of what the parabola promised.` : "; the parabola, too, expected no fall.";
  const cg = info.n_cg === undefined ? "" : ` CG made ${info.n_cg} product${info.n_cg === 1 ? "" : "s"} and stopped${WHY[info.cg_end] ?? `: ${info.cg_end ?? info.why}`}.`;
  return `${fall}${trust}${bend < 0 ? " Along this step the loss bends down: curvature is negative." : ""}${cg}`;
}

function showCG(info) {
  const rows = (info.cg ?? []).map((row, k) => [`cg${k}`, `product ${k + 1}`, row.residual, row.curvature, row.model]);
  fillTable($("cg-table"), rows, ["CG", "residual ‖r‖", "curvature dᵀHd/‖d‖²", "model"]);
  const trials = info.trials ?? [], said = ({ accepted }) => (accepted ? "taken" : "refused");
  if (trials[0]?.phi === undefined) fillTable($("trial-table"), trials.map((row, k) => [`trial${k}`, `trial ${k + 1}`, row.length, row.predicted, row.actual, said(row)]), ["trial", "radius", "predicted fall", "actual fall", ""]);
  else fillTable($("trial-table"), trials.map((row, k) => [`search${k}`, `trial ${k + 1}`, row.a, row.phi, said(row)]), ["trial", "share of the step", "loss", ""]);
}

function drawAlong(plot) {
  if (!along.found) return;
  const { c } = plot, { losses, line, parabola } = along.found, xs = alphas(along.parts), before = losses[along.parts], after = losses[5 * along.parts];
  const y = rangeOf([...losses, ...(parabola ?? [])].filter((x) => Math.abs(x - before) <= 12 * Math.max(Math.abs(after - before), 1e-300)), false);
  const F = frame(plot, { low: xs[0], high: xs.at(-1), label: "steps along p" }, { ...y, label: "loss" });
  F.inside(() => {
    drawLine(c, F, xs, line, ink("walk-4"), [2, 3], 1.6);
    if (parabola) drawLine(c, F, xs, parabola, ink("walk-3"), [7, 3], 1.8);
    drawLine(c, F, xs, losses, ink("text"), [], 2.2);
    drawMark(c, "circle", F.X(0), F.Y(before), 4.5, ink("background"), ink("text"));
    drawMark(c, chosen().shape, F.X(1), F.Y(after), 5.5, colourOf(chosen()), ink("background"));
  });
}

// The circles that were tried, and CG's iterates, around the place before the step.
function drawModelOnMap(c, X, Y) {
  const walker = chosen(), { info, t } = walker.runner;
  if (t === 0 || data.methods[walker.k].kind === "first") return;
  const [x, y] = walker.runner.before.theta, circles = info.radius === undefined ? [] : (info.trials ?? []);
  c.strokeStyle = ink("text");
  c.lineWidth = 1.3;
  c.setLineDash([5, 4]);
  for (const { length, accepted } of circles) {
    c.globalAlpha = accepted ? 1 : 0.4;
    c.beginPath();
    c.ellipse(X(x), Y(y), Math.abs(X(x + length) - X(x)), Math.abs(Y(y + length) - Y(y)), 0, 0, 7);
    c.stroke();
  }
  c.setLineDash([]);
  c.globalAlpha = 1;
  const way = (info.cg ?? []).map(({ p }) => p).filter(Boolean);
  if (!way.length) return;
  c.beginPath();
  c.moveTo(X(x), Y(y));
  for (const [a, b] of way) c.lineTo(X(x + a), Y(y + b));
  c.stroke();
  for (const [a, b] of way) drawMark(c, "square", X(x + a), Y(y + b), 3.2, ink("background"), ink("text"));
}
