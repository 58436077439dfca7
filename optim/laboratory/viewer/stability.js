// Stability: the rate times the largest curvature that the optimizer sees, beside the number where its steps begin to grow.
//
// On a parabola with curvature λ, gradient descent is stable up to lr·λ = 2, the heavy ball up to 2 + 2μ, its Nesterov form up to
// (2 + 2μ)/(1 + 2μ), an average of gradients up to (2 + 2β)/(1 − β). H is the Hessian of the loss. A rule that adds the weight decay
// λ·w to the slope sees H + λI, and one that divides the slope by P sees P^(−½)·(H + λI)·P^(−½).
// Reference: Cohen et al. 2021 and 2022.

const SHOWN = 3; // eigenvalues

// {most, formula} for an optimizer; null where no limit is known, as for a rule that takes a sign.
function limitOf(walker) {
  const { kind, rule, numbers: n } = methodFor(walker);
  if (kind !== "first" || rule.constants.maximize) return null;
  const { name } = rule, mu = n.momentum ?? 0;
  if (name === "SGD" && n.dampening) return null;
  if (name === "SGD" && rule.constants.nesterov) return { most: (2 + 2 * mu) / (1 + 2 * mu), formula: "(2 + 2μ)/(1 + 2μ)" };
  if (name === "SGD" || name === "RMSprop" || name === "Adagrad") return mu ? { most: 2 + 2 * mu, formula: "2 + 2μ" } : { most: 2, formula: "2" };
  if (name === "Momentum") return { most: (2 + 2 * n.beta) / (1 - n.beta), formula: "(2 + 2β)/(1 − β)" };
  if (name === "Adam" || name === "AdamW") return { most: (2 + 2 * n.betas[0]) / (1 - n.betas[0]), formula: "(2 + 2β₁)/(1 − β₁)" };
  return null;
}

const divides = (walker) => ["Adam", "AdamW", "RMSprop", "Adagrad"].includes(methodFor(walker).rule?.name);
const decayOf = (walker) => (methodFor(walker).rule?.name === "AdamW" ? 0 : (methodFor(walker).numbers?.weight_decay ?? 0));

const rateOf = (walker) => { const { rule, numbers } = methodFor(walker); return numbers.lr ?? rule.constants.lr; }; // 0 stands in the text

// What the rule sees, as text.
function seenMatrix(walker) {
  const H = decayOf(walker) ? "H + λI" : "H";
  return divides(walker) ? `P⁻½${decayOf(walker) ? `(${H})` : H}P⁻½` : H;
}

// The loss with ½λ‖w‖² in its products.
function decayed(problem, lambda) {
  if (!lambda) return problem;
  return { ...problem, product(v, out) { problem.product(v, out); for (let i = 0; i < v.length; i++) out[i] += lambda * v[i]; } };
}

// The rate up to which the walk converges from anywhere, on a parabola that is bounded below: none where it bends down, or slopes
// along a direction in which it does not bend.
function rateLimit(walker) {
  const found = limitOf(walker);
  if (!found || divides(walker)) return null;
  const problem = problemNow(), decay = decayOf(walker), { values, vectors } = symmetricEigen(hessian(problem, lab.start), problem.n);
  const most = values.at(-1) + decay, flat = vectors.filter((_, i) => values[i] + decay <= 1e-12 * most);
  if (!(values[0] + decay >= -1e-12 * most) || !(most > 0)) return null;
  const slope = (theta) => { const g = new Float64Array(problem.n); problem.gradient(theta, g); return plus(g, decay, theta); };
  const here = slope(lab.start), rounding = 1e-12 * (norm(slope(lab.start.map(() => 0))) + most * norm(lab.start)); // of its two parts
  if (!flat.every((v) => Math.abs(dot(v, here)) <= rounding)) return null;
  const above = found.formula.includes("+") && !found.formula.includes("/") ? `(${found.formula})` : found.formula;
  return { limit: found.most / most, formula: `${above}/${decay ? "(λmax + λ)" : "λmax"}` };
}

// Whether the Hessian is the same everywhere, which is known from the lines that were printed, not from some places.
function constantCurvature() {
  const problem = problemNow();
  return Boolean(problem.constantHessian) && problem.n <= 20 && !problem.batches;
}

// At the place of a runner, up to a share of `tolerance`: the `most` largest eigenvalues of H, and the rate times those that the
// optimizer sees.
function seenCurvature(walker, runner, most, tolerance) {
  const problem = runner.problem ?? problemNow(), { theta } = runner, k = Math.min(most, problem.n);
  feed(problem, runner.t + 1); // the mini-batch of the step to come
  const eigenvalues = topEigenvalues(problem, theta, k, undefined, tolerance), decay = decayOf(walker);
  if (!divides(walker)) return { eigenvalues, products: eigenvalues.map((x) => rateOf(walker) * (x + decay)) };
  const P = runner.t ? Float64Array.from({ length: problem.n }, (_, i) => 1 / runner.trace(i).lr_eff) : [];
  const known = P.length && P.every((x) => x > 0 && x < Infinity);
  return { eigenvalues, products: known ? topEigenvalues(decayed(problem, decay), theta, k, P, tolerance) : eigenvalues.map(() => NaN) };
}

const stability = { plot: null };

function showStability() {
  const walker = chosen(), found = limitOf(walker), able = Boolean(problemNow().product) && found !== null;
  $("stability").parentElement.hidden = $("double").hidden = !able;
  if (!able) {
    $("stability-says").textContent = unlimited(walker);
    fillTable($("stability-table"), [], []);
    return;
  }
  const finite = walker.runner.theta.every(Number.isFinite), lr = rateOf(walker);
  const { eigenvalues, products } = finite ? seenCurvature(walker, walker.runner, SHOWN) : { eigenvalues: [NaN], products: [NaN] };
  const names = ["largest", "second", "third"], of = seenMatrix(walker), decay = decayOf(walker);
  fillTable($("stability-table"), [
    ["product", `lr × ${names[0]} eigenvalue of ${of}`, products[0]], ["most", `stable up to ${found.formula}`, found.most],
    ...products.slice(1).map((x, k) => [`product${k + 2}`, `lr × ${names[k + 1]}`, x]),
    ...eigenvalues.map((x, k) => [`eigenvalue${k + 1}`, k ? names[k] : "largest eigenvalue of H", x]), ["lr", symbol("lr"), lr],
    ...(decay ? [["decay", symbol("weight_decay"), decay]] : []),
  ], ["", "value"]);
  const decays = decay ? " H is the Hessian of the loss; weight decay adds λ to it." : "";
  $("stability-says").textContent = stabilitySentence(walker, products[0], found.most, Math.min(...eigenvalues) + decay) + decays;
  const next = document.querySelector("#panel-stability .next");
  next.hidden = products.length < 2;
  next.textContent = products.length > 2 ? "the second and third eigenvalue" : "the second eigenvalue";
  stability.plot.draw();
}

function unlimited(walker) {
  const { kind, rule } = methodFor(walker);
  if (kind !== "first") return `${walker.label} takes the length of its steps from the curvature: no rate has to stay below a limit.`;
  if (rule.name === "Lion") return "Each weight moves by the rate itself, whatever the slope: the steps of Lion cannot grow.";
  return `No limit of the rate is known for ${walker.label}${problemNow().product ? "" : " on this loss"}.`;
}

function stabilitySentence(walker, product, most, least) {
  if (rateOf(walker) === 0) return "At a rate of 0 the steps have no length, so they cannot grow.";
  if (!walker.runner.theta.every(Number.isFinite)) return "The walk has left all bounds.";
  if (!Number.isFinite(product)) {
    if (divides(walker) && walker.runner.t === 0) return "The sizes by which this rule divides are known after its first step.";
    return `The curvature${divides(walker) ? ", or a size by which the rule divides," : ""} is no finite number here.`;
  }
  const share = product / most;
  if (share < 0) return "The loss bends down in every direction here: no parabola holds the steps.";
  if (share === 0) return "The loss has no curvature here, so its limit says nothing: at a kink no rate is small enough.";
  const at = share > 2 ? `At ${short(share, 3)} times the limit` : `At ${short(100 * share, 3)} % of the limit`;
  if (share > 1) return `${at}: along the steepest direction each step overshoots by more than the last.`;
  if (least < -1e-9 * Math.abs(product)) return `${at} along the steepest direction. Along another the loss bends down, and a walk leaves it at any rate.`;
  if (share > 0.95) return `${at}: the walk is at the edge of stability.`;
  return `${at}: the walk is stable here. Double the rate and watch.`;
}

function drawStability(plot) {
  const walker = chosen(), found = limitOf(walker);
  if (!found || !problemNow().product) return;
  const see = (runner) => (Number.isFinite(runner.loss) ? seenCurvature(walker, runner, SHOWN, 1e-4).products : []);
  const { c } = plot, { ts, seen } = surveyed(walker, "curvature", see, () => { if (lab.panel === "stability") plot.draw(); });
  const tops = seen.map(([x]) => x), far = tops.some((x) => x > 4 * found.most && x < Infinity); // then the axis counts decades
  const y = rangeOf([...(far ? [found.most / 2] : [0]), found.most * 1.25, ...(far ? tops.filter((x) => x > 0) : tops)], far);
  const F = frame(plot, { low: 0, high: lab.steps, label: "steps" }, { ...y, label: "lr × curvature" });
  F.inside(() => {
    drawLine(c, F, [0, lab.steps], [found.most, found.most], ink("text"), [6, 4], 1.5);
    c.fillStyle = ink("text");
    c.textAlign = "left";
    c.fillText(`stable up to ${short(found.most)}`, F.left + 6, F.Y(found.most) - 8);
    for (let k = SHOWN - 1; k >= 0; k--) drawLine(c, F, ts, seen.map((all) => all[k] ?? NaN), k ? ink("muted") : colourOf(walker), k ? [3, 3] : [], k ? 1.2 : 2);
    c.fillStyle = colourOf(walker);
    ts.forEach((t, k) => { if (Number.isFinite(seen[k][0])) { c.beginPath(); c.arc(F.X(t), F.Y(seen[k][0]), 2.4, 0, 7); c.fill(); } });
    drawLine(c, F, [walker.runner.t, walker.runner.t], [y.low, y.high], ink("muted"), [], 1);
  });
}
