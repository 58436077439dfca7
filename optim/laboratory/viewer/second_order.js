"use strict";
// Newton's methods on a printed loss and its product H·v, step by step as `optim.Newton` and `optim.NewtonCG` take them: with the
// whole Hessian, and with conjugate gradients in a trust region. The engine runs them; its vectors and eigenvalues are used
// here. Every comparison is written so that NaN means "worse". A report has the names of Python's `last_step`.
//
// Names: `here` and `there` f at two points; p a step; Δ `radius`; ρ `rho`; η `eta`; λ `lam` and V the spectrum of H; δ `floor`
// the smallest curvature that counts; `unit` a power of two by which f is multiplied, so that no square over- or underflows.

const NOISE = 1e3 * EPS; // a change of f below this share of |f| is rounding
const NEGATIVE = 1e-6, FAINT = 1e3 * EPS; // λ is negative, or perhaps, below 0 by this share of the largest |λ|
const MAX_REJECTIONS = 60, MAX_HALVINGS = 60, PATIENCE = 10;
const DENSE_LIMIT = 200; // unknowns of which a page computes the whole spectrum in less than a second

const NEWTON = {
  lr: 1, modification: "abs", damping: 0, line_search: "armijo", cutoff: Math.sqrt(EPS), initial_radius: null, lambda_tol: 0,
  weight_decay: 0, dense_limit: DENSE_LIMIT,
};
const NEWTON_CG = {
  globalization: "trust-region", curvature: "hessian", forcing: "superlinear", preconditioner: null, damping: null,
  max_radius: Infinity, initial_radius: null, lambda_tol: 0, gtol: 1e-8, gtol_abs: 0, strict_monotone: false,
  second_order: "auto", weight_decay: 0, seed: 0,
};
const ENDS = {
  SECOND_ORDER: "The gradient is 0 up to rounding, and no direction curves downwards.",
  RADIUS_COLLAPSED: "No step, however short, gives a lower loss.",
  PRECISION_LOSS: "Rounding hides any further progress.",
  UNBOUNDED: "The loss falls below every bound.",
  NONFINITE: "The loss is not finite where the step leads.",
  SINGULAR: "The Hessian is singular, so −H⁻¹g does not exist.",
  "not a direction of descent": "The Newton direction climbs, and no step is taken along it.",
  "curves down": "The slope is 0 up to rounding, and yet a direction curves downwards: this is no minimum.",
  "no Hessian": "The Hessian is not finite.",
  SADDLE: "A saddle point, and the slope prefers no way out of it. Move the start a little.",
};
const SMALL_GRADIENT = "The gradient is small. Python now checks the curvature: it ends at a minimum and leaves a saddle point.";

function settingsOf(call, known, given, printed) {
  for (const name in given) if (!(name in known)) throw new TypeError(`${call}(${name}=...) is no setting of this method.`);
  const settings = { ...known, ...given };
  for (const name in printed) {
    if (printed[name].includes(settings[name])) continue;
    throw new RangeError(`${call}(${name}=${settings[name]}) does not run in a page, only ${printed[name].join(", ")}.`);
  }
  return settings;
}

// f with ½λ‖x‖² added, as evaluations: x, f there, the gradient and products when they are asked for. The problem remembers one
// point only, and is brought back to another where that is needed.
function objectiveOf(problem, decay) {
  let at = null, derived = false; // the evaluation that the problem is at, and whether it knows the gradient there
  const objective = { products: 0, known, evaluate };

  function derive(here) {
    if (at !== here) problem.point(here.x);
    const g = new Float64Array(problem.n);
    problem.pointGradient(g);
    [at, derived] = [here, true];
    return decay ? plus(g, decay, here.x) : g;
  }

  function known(x, loss, g = null) {
    const here = {
      x, loss, f: loss + 0.5 * decay * dot(x, x),
      get g() { return (g ??= derive(here)); },
      hv(v) {
        if (at !== here || !derived) derive(here);
        objective.products++;
        const out = new Float64Array(problem.n);
        problem.product(v, out);
        return decay ? plus(out, decay, v) : out;
      },
    };
    return here;
  }

  function evaluate(x) {
    const there = known(x, problem.point(x));
    [at, derived] = [there, false];
    return there;
  }
  return objective;
}

// A method as the engine wants it: `take(objective, here, state)` gives { there, state, info }, or { info } that says why there
// is no step.
function secondOrder(problem, settings, begin, stopped, take) {
  const decay = settings.weight_decay;
  return {
    begin,
    evaluate(theta) {
      const there = objectiveOf(problem, decay).evaluate(theta);
      return { loss: there.loss, g: there.g };
    },
    stopped: (place) => (allFinite(place.g) ? stopped(place) : "The gradient is not finite."),
    step({ theta, loss, g, state }) {
      const objective = objectiveOf(problem, decay), here = objective.known(theta, loss, g);
      const { there, state: after, info } = take(objective, here, state);
      info.n_hv = objective.products;
      if (!there) return { stopped: ENDS[info.ends ?? info.why] ?? ENDS[info.status], info };
      const cost = 2 + PRODUCT_COST * info.n_hv + VALUE_COST * info.rejections; // Python finds the gradient at both ends
      return { theta: there.x, state: after, counters: {}, info, cost };
    },
    trace: (before, here, i) => ({ g: before.g[i], step: before.theta[i] - here.theta[i], w: here.theta[i] }),
  };
}

// A trial: is f lower at x + p, as predicted?

const naturalLength = (x) => Math.max(1, 0.1 * norm(x)); // a step length where f says nothing about lengths
const blind = (here, there) => Math.abs(there.f - here.f) <= NOISE * Math.max(Math.abs(there.f), Math.abs(here.f));
const same = (a, b) => a.every((x, i) => x === b[i]);

// The decrease of f beside the one predicted. Where f cannot tell the two points apart its slopes can, by the trapezoid rule.
function tried(objective, here, p, predicted, strictMonotone = false) {
  const x = plus(here.x, 1, p), refused = { there: null, rho: -Infinity, actual: NaN, noise: false, moved: true };
  if (!(predicted > 0)) return refused;
  if (same(x, here.x)) return { ...refused, moved: false };
  const there = objective.evaluate(x);
  if (!Number.isFinite(there.f)) return refused;
  const noise = blind(here, there);
  let actual = here.f - there.f;
  if (noise && strictMonotone && actual < 0) return { ...refused, actual, noise };
  if (noise) actual = -0.5 * dot(plus(here.g, 1, there.g), plus(x, -1, here.x));
  const rho = actual / predicted;
  if (!(rho > 0.1)) return { ...refused, rho, actual, noise };
  if (!allFinite(there.g)) return { ...refused, actual, noise };
  return { there, rho, actual, noise, moved: true };
}

const trialRow = (trial, length, predicted) => (
  { length, predicted, actual: trial.actual, rho: trial.rho, accepted: trial.there !== null });

// Δ shrinks at ρ < ¼ and doubles at ρ > ¾ on the boundary.
function nextRadius(radius, rho, length, maxRadius = Infinity) {
  if (!(rho >= 0.25)) return 0.25 * Math.min(radius, length);
  return rho > 0.75 && length >= 0.99 * radius ? Math.min(2 * radius, maxRadius) : radius;
}

// So many steps of steepest descent, whatever the units of f: ‖g‖²/‖Hg‖ each.
const firstRadius = (x, gg, image, steps) => (image > 0 && image < Infinity ? (steps * gg) / image : naturalLength(x));

// f does not fall along p although it should. That is a success if p changes next to nothing.
function stuck(here, p) {
  const promised = 0.5 * Math.abs(dot(here.g, p));
  const still = promised <= NOISE * Math.abs(here.f) || p.every((x, i) => Math.abs(x) <= NOISE * Math.abs(here.x[i]));
  return still ? "FIRST_ORDER" : "RADIUS_COLLAPSED";
}

// Whether rounding decides where the lowest eigenvector points: gᵀv is 0, or another eigenvalue is as low.
const undecided = ({ lam, V, g }) => Math.abs(dot(V[0], g)) <= EPS * norm(g) || lam[1] - lam[0] <= 1e-8 * largest(lam);

// v with length 1 and gᵀv ≤ 0.
const downhill = (v, g) => scaled((dot(g, v) > 0 ? -1 : 1) / norm(v), v);

// Newton with the whole Hessian

// With `state` {radius} of the trust region, null until it is chosen.
function newton(problem, given, resumed) {
  const settings = settingsOf("Newton", NEWTON, given, {
    modification: ["none", "shift", "abs", "clip", "pinv", "trust"], line_search: ["armijo", null],
  });
  if (settings.modification === "trust" && settings.lr !== 1) {
    throw new RangeError(`Newton(lr=${settings.lr}) must be 1 with modification="trust": the radius sets the length.`);
  }
  const limit = Math.min(settings.dense_limit, DENSE_LIMIT);
  if (problem.n > limit) throw new RangeError(`Newton takes at most ${limit} unknowns in a page, got ${problem.n}. Use NewtonCG.`);
  const begin = () => ({ state: { radius: resumed?.radius ?? null }, counters: {} });
  return secondOrder(problem, settings, begin, () => "", (objective, here, state) => newtonStep(objective, here, state, settings));
}

function newtonStep(objective, here, state, settings) {
  const n = here.x.length, found = spectrum(here, n);
  if (!found) return { info: { status: "NONFINITE", ends: "no Hessian", accepted: false } };
  const { lam, V, unit, g } = found, most = largest(lam), negative = -settings.cutoff * most;
  const step = settings.modification === "trust" ? denseTrustStep : lineStep;
  const taken = step(objective, here, found, state, settings), { info, there } = taken;
  if (info.status === "FIRST_ORDER") Object.assign(info, endOf(here, found, settings));
  Object.assign(info, {
    lambda_min: lam[0] / unit, negative: lam.filter((x) => x < negative).length, actual: here.f - (there ?? here).f,
    noise: blind(here, there ?? here), negative_curvature: lam[0] < negative ? downhill(V[0], g) : null,
  });
  return taken;
}

// H and g in units in which they are near 1, and the eigenvalues and eigenvectors of H; null where H is not finite.
function spectrum(here, n) {
  const rows = new Float64Array(n * n), e = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    e[i] = 1;
    rows.set(here.hv(e), i * n);
    e[i] = 0;
  }
  if (!allFinite(rows)) return null;
  const unit = unitOf(rows), H = symmetrized(scaled(unit, rows), n), { values, vectors } = symmetricEigen(H, n);
  return { n, H, unit, g: scaled(unit, here.g), lam: values, V: vectors };
}

const inBasis = (V, g) => Float64Array.from(V, (v) => dot(v, g)); // Vᵀg

function combined(V, c) { // V·c
  const out = new Float64Array(V.length);
  V.forEach((v, k) => { for (let i = 0; i < out.length; i++) out[i] += c[k] * v[i]; });
  return out;
}

// A step along −V(c/d); from a saddle point, where the slope promises next to nothing, along the lowest eigenvector.
function lineStep(objective, here, found, state, settings) {
  const { lam, V, unit } = found, most = largest(lam), { modification } = settings;
  const p = newtonDirection(found, here, settings);
  if (!p) return { info: { status: "SINGULAR", accepted: false, rejections: 0 } };
  const slope = dot(here.g, p), decrement = slope <= 0 ? Math.sqrt(-slope) : NaN;
  const promise = Math.max(2 * Math.abs(here.f), (-lam[0] / unit) * Math.max(1, 0.01 * dot(here.x, here.x)));
  const negative = lam[0] < -Math.max(NEGATIVE, settings.lambda_tol) * most;
  if (-slope <= NOISE * promise && negative && ["shift", "abs", "clip"].includes(modification)) {
    if (undecided(found)) return { info: { status: "SADDLE", accepted: false, rejections: 0 } };
    const left = escape(objective, here, V[0], decrement);
    if (left) return { ...left, state };
  }
  const search = lineSearch(objective, here, p, settings), { there, a, why } = search;
  const info = { decrement, why, trials: search.points };
  if (there) {
    Object.assign(info, { accepted: true, status: "RUNNING", predicted: -a * slope * (1 - 0.5 * a), step_length: a });
    return { there, state, info: { ...info, step_norm: a * norm(p), rejections: search.tried - 1 } };
  }
  let status = { "not finite": "NONFINITE", "not a direction of descent": "RADIUS_COLLAPSED" }[why] ?? "PRECISION_LOSS";
  if (status === "PRECISION_LOSS" && (settings.lr || !largest(here.g))) status = stuck(here, p);
  return { info: { ...info, accepted: false, status, rejections: search.tried } };
}

// Halve s until f has fallen along ±v by a quarter of ½|λ|s²; null if it never does.
function escape(objective, here, v, decrement) {
  const down = downhill(v, here.g), curvature = dot(down, here.hv(down)), trials = [];
  for (let s = naturalLength(here.x); trials.length < MAX_HALVINGS; s *= 0.5) {
    const there = objective.evaluate(plus(here.x, s, down)), predicted = 0.5 * Math.abs(curvature) * s * s;
    const fall = Number.isFinite(there.f) ? here.f - there.f : NaN;
    const enough = fall >= 0.25 * predicted && fall > NOISE * Math.max(Math.abs(here.f), Math.abs(there.f));
    const accepted = enough && allFinite(there.g);
    trials.push({ length: s, predicted, actual: fall, rho: predicted ? fall / predicted : NaN, accepted });
    if (!accepted) continue;
    const info = { accepted, status: "RUNNING", escaped: true, why: "negative curvature", step_length: s, step_norm: s };
    return { there, info: { ...info, decrement, trials, rejections: 0 } };
  }
  return null;
}

// Directions: what stands in the place of λ

function newtonDirection({ H, g, lam, V, unit, n }, here, settings) {
  const most = largest(lam), damping = unit * settings.damping;
  const floor = settings.cutoff * most || norm(g) / naturalLength(here.x) || 1;
  if (!largest(g)) return new Float64Array(n);
  if (settings.modification === "none") return textbookDirection(shiftedBy(H, damping, n), g, n);
  return modifiedDirection(H, g, lam, V, floor, damping, settings.modification);
}

function shiftedBy(H, damping, n) {
  const out = H.slice();
  for (let i = 0; i < n; i++) out[i * n + i] += damping;
  return out;
}

// −H⁻¹g; null where H is singular up to rounding, in units in which its rows have a largest entry of about 1.
function textbookDirection(H, g, n) {
  const s = equilibrated(H, n), { values, vectors } = symmetricEigen(rescaled(H, s, n), n);
  const sizes = values.map(Math.abs), least = Math.min(...sizes);
  return least > n * EPS * largest(values) ? solved(s, g, values, vectors) : null;
}

// −s·V(Vᵀ(s·g)/d)
function solved(s, g, d, V) {
  const c = inBasis(V, g.map((x, i) => s[i] * x));
  return combined(V, c.map((x, k) => x / d[k])).map((x, i) => -s[i] * x);
}

const rescaled = (H, s, n) => H.map((x, k) => s[Math.floor(k / n)] * x * s[k % n]);

// s, for which the largest entry of each row of s·H·s is about 1 (Ruiz 2001).
function equilibrated(H, n) {
  const s = new Float64Array(n).fill(1);
  for (let pass = 0; pass < 10; pass++) {
    const most = Float64Array.from(s, (x, i) => x * largest(H.subarray(i * n, (i + 1) * n).map((y, j) => y * s[j])));
    most.forEach((x, i) => { s[i] /= Math.sqrt(x > 0 ? x : 1); });
  }
  return s;
}

// An eigenvalue below the floor may only be that of a coordinate in other units: then the rule is applied to the scaled H.
function modifiedDirection(H, g, lam, V, floor, damping, modification) {
  const n = g.length, most = largest(lam);
  let s = new Float64Array(n).fill(1);
  if (modification !== "shift" && most && lam.some((x) => Math.abs(x) <= floor)) {
    const scale = equilibrated(H, n), matrix = rescaled(shiftedBy(H, damping, n), scale, n);
    const { values, vectors } = symmetricEigen(matrix, n), bound = (floor / most) * largest(values);
    if (!values.some((x) => Math.abs(x) <= bound)) [s, H, lam, V, floor, damping] = [scale, matrix, values, vectors, bound, 0];
  }
  const diagonal = Float64Array.from({ length: n }, (_, i) => H[i * n + i]);
  return solved(s, g, DIAGONALS[modification](lam, floor, diagonal).map((x) => x + damping), V);
}

const DIAGONALS = { // (λ, δ, diagonal of H) ↦ what stands in the place of λ
  shift(lam, floor, diagonal) { // enough of the identity (Nocedal and Wright, algorithm 3.3)
    const beta = 1e-3 * largest(diagonal) || 1e-3 * largest(lam) || floor, least = Math.min(...diagonal);
    let tau = least > 0 ? 0 : beta - least;
    while (!(lam[0] + tau > lam.length * EPS * largest(lam))) tau = Math.max(2 * tau, beta);
    return lam.map((x) => x + tau);
  },
  abs: (lam, floor) => lam.map((x) => Math.max(Math.abs(x), floor)),
  clip: (lam, floor) => lam.map((x) => Math.max(x, floor)),
  pinv: (lam, floor) => lam.map((x) => (Math.abs(x) > floor ? x : Infinity)),
};

// What to say where no step helps: a minimum, unless f curves down, or falls where no step went.
function endOf(here, { lam, V, g }, settings) {
  const most = largest(lam);
  if (lam[0] < -Math.max(FAINT, settings.lambda_tol) * most) return { status: "PRECISION_LOSS", ends: "curves down" };
  const least = EPS * g.length * most || 1, c = inBasis(V, g);
  const p = combined(V, c.map((x, k) => x / Math.max(Math.abs(lam[k]), least)));
  return { status: stuck(here, p) === "FIRST_ORDER" ? "SECOND_ORDER" : "PRECISION_LOSS" };
}

// The line search

// Armijo's rule, f(x + a·p) ≤ f + 10⁻⁴·a·gᵀp, from a = lr on, each a half of the one before; or a = lr whatever f does.
function lineSearch(objective, here, p, { line_search: kind, lr }) {
  const slope = dot(here.g, p), points = [];
  if (!largest(p) || !(lr > 0)) return { there: null, a: 0, tried: 0, points, why: lr > 0 ? "stationary" : "lr is 0" };
  if (kind && !(slope < 0)) return { there: null, a: 0, tried: 0, points, why: "not a direction of descent" };
  const ray = { objective, here, p, slope, points };
  const found = kind === "armijo" ? armijo(ray, lr) : fullStep(ray, lr);
  const tiny = found.there && found.a < 1e-6 * lr && blind(here, found.there);
  if (tiny && -0.5 * 1e-6 * lr * slope > NOISE * Math.abs(here.f)) Object.assign(found, { there: null, a: 0, why: "no decrease" });
  for (const point of points) point.accepted = found.there !== null && point.a === found.a;
  return { ...found, points, tried: points.length };
}

// The point x + a·p, noted among the ray's points. Where f is not finite the change is infinite; where x does not move it is 0;
// and where f cannot tell, the slopes decide.
function rayPoint({ objective, here, p, slope, points }, a) {
  const x = plus(here.x, a, p), row = { a, phi: NaN, slope: NaN, accepted: false };
  points.push(row);
  const point = { a, there: null, change: 0, row };
  if (same(x, here.x)) row.phi = here.f;
  else {
    const there = objective.evaluate(x), finite = Number.isFinite(there.f);
    Object.assign(point, { there: finite ? there : null, change: finite ? there.f - here.f : Infinity });
    row.phi = finite ? there.f : Infinity;
    if (finite && blind(here, there) && withSlope(point, p)) point.change = 0.5 * a * (slope + row.slope);
  }
  return point;
}

// φ′(a) too; a gradient that is not finite makes the point infinitely high.
function withSlope(point, p) {
  point.row.slope = dot(point.there.g, p);
  if (Number.isFinite(point.row.slope)) return true;
  point.change = Infinity;
  return false;
}

function fullStep(ray, first) {
  const point = rayPoint(ray, first);
  if (point.there) withSlope(point, ray.p);
  if (point.there && Number.isFinite(point.change)) return { there: point.there, a: first, why: "full step" };
  return { there: null, a: 0, why: point.change ? "not finite" : "stationary" };
}

// A Newton step is halved: where f is no parabola, the minimum of one would make short steps creep.
function armijo(ray, first) {
  for (let a = first, trials = 0; trials < 60; trials++, a *= 0.5) {
    const point = rayPoint(ray, a);
    if (point.there && point.change <= 1e-4 * a * ray.slope && withSlope(point, ray.p)) {
      return { there: point.there, a, why: "sufficient decrease" };
    }
  }
  return { there: null, a: 0, why: "no decrease" };
}

// The whole trust-region problem

function denseTrustStep(objective, here, found, state, settings) {
  const { V, unit, g } = found, lam = found.lam.map((x) => x + unit * settings.damping), c = inBasis(V, g), trials = [];
  // One step of steepest descent: the minimum next to x, not one that a long first step jumps into.
  let radius = state.radius || settings.initial_radius || firstRadius(here.x, dot(c, c), norm(lam.map((x, k) => x * c[k])), 1);
  let q, trial;
  while (trials.length < MAX_REJECTIONS) {
    q = moreSorensen(lam, c, radius);
    if (q.hard) return { info: { status: "SADDLE", accepted: false, rejections: trials.length, trials } };
    const slope = dot(c, q.step), length = norm(q.step);
    const predicted = -(slope + 0.5 * q.step.reduce((sum, x, k) => sum + lam[k] * x * x, 0)) / unit;
    trial = tried(objective, here, combined(V, q.step), predicted);
    trials.push(trialRow(trial, radius, predicted));
    const after = nextRadius(radius, trial.rho, length);
    if (trial.there) {
      const info = { accepted: true, status: "RUNNING", why: "trust region", rho: trial.rho, radius: after, predicted, trials };
      const decrement = Math.sqrt(Math.max(-slope / unit, 0)), rejections = trials.length - 1;
      const taken = { ...info, step_norm: length, step_length: 1, rejections, decrement };
      return { there: trial.there, state: { radius: after }, info: taken };
    }
    if (!trial.moved || !(predicted > 0)) break;
    radius = after;
  }
  const why = largest(c) || lam[0] < 0 ? "no decrease" : "stationary";
  const status = stuck(here, combined(V, q.step));
  return { info: { status, accepted: false, why, radius, rejections: trials.length, trials } };
}

// The minimizer of cᵀq + ½qᵀΛq over ‖q‖ ≤ Δ: q = −c/(λ + μ). With σ = λ₁ + μ the function 1/‖q(σ)‖ is concave and rises, so
// Newton's method for 1/‖q‖ = 1/Δ climbs to the solution (Moré and Sorensen 1983). In the hard case, where c has no part in the
// lowest eigenspace, either way along it is as good.
function moreSorensen(lam, c, radius) {
  const gaps = lam.map((x) => x - lam[0]), q = new Float64Array(c.length);
  let sigma = Math.max(largest(c.filter((_, k) => gaps[k] === 0)) / radius, lam[0], 0);
  for (let i = 0; i < 100; i++) {
    let bend = 0;
    c.forEach((x, k) => {
      const d = gaps[k] + sigma;
      q[k] = d > 0 ? -x / d : 0;
      bend += d > 0 ? (q[k] * q[k]) / d : 0;
    });
    const length = norm(q);
    if (!(length > radius * (1 + 1e-12))) break;
    sigma += ((length / radius - 1) * length * length) / bend;
  }
  return { step: q, hard: lam[0] < 0 && sigma * radius <= EPS * norm(c) };
}

// NewtonCG

// With `state` as Python's solver has it: the first f and gradient, η and ‖g‖ of the step before, the smallest ‖g‖∞ yet, the steps
// in which f could not tell, and the radius.
function newtonCG(problem, given, resumed) {
  const settings = settingsOf("NewtonCG", NEWTON_CG, given, {
    globalization: ["trust-region"], curvature: ["hessian"], preconditioner: [null],
  });
  const named = ["superlinear", "quadratic", "eisenstat-walker"].includes(settings.forcing);
  if (!named && !(settings.forcing > 0 && settings.forcing < 1)) {
    throw new RangeError(`NewtonCG(forcing=${settings.forcing}) must be a name of a forcing or a number in (0, 1).`);
  }
  const fresh = { f0: NaN, g0: NaN, g0_max: NaN, eta: NaN, size: NaN, best: Infinity, stalled: 0, accepted: 0 };
  const begin = () => ({ state: { ...fresh, method: { radius: null }, ...resumed }, counters: {} });
  return secondOrder(problem, settings, begin, (place) => {
    const { status } = place.info, first = Number.isNaN(place.state.f0) ? largest(place.g) : place.state.g0_max;
    if (status !== undefined && status !== "RUNNING") return ENDS[status];
    return largest(place.g) <= settings.gtol_abs + settings.gtol * first ? SMALL_GRADIENT : "";
  }, (objective, here, state) => newtonCGStep(objective, here, state, settings));
}

function newtonCGStep(objective, here, state, settings) {
  state = { ...state };
  if (Number.isNaN(state.f0)) Object.assign(state, { f0: here.f, g0: norm(here.g), g0_max: largest(here.g) });
  const size = norm(here.g), eta = forcing(here, state, size, settings.forcing);
  Object.assign(state, { eta, size });
  const { there, radius, info } = trustRegionStep(objective, here, state.method.radius, eta, settings);
  state.method = { radius };
  return there ? { there, info: judged(there, info, state, settings), state } : { info };
}

// η: the residual at which CG stops, as a share of ‖g‖.
function forcing(here, state, size, kind) {
  const share = state.g0 ? size / state.g0 : 1, golden = (1 + Math.sqrt(5)) / 2;
  if (kind === "superlinear" && here.g.length > 50 && state.g0_max) {
    // In a bent valley ‖g‖ rises with each long step, and a residual that is small beside it hides the flat directions.
    return Math.min(0.1, Math.sqrt(Math.min(state.best, largest(here.g)) / state.g0_max));
  }
  if (kind === "superlinear") return Math.min(0.5, Math.sqrt(share));
  if (kind === "quadratic") return Math.min(0.1, share);
  if (kind !== "eisenstat-walker") return kind;
  if (!(state.size > 0)) return 0.5;
  const guard = 0.9 * state.eta ** golden; // their choice 2, with its safeguard
  return Math.min(0.5, Math.max(0.9 * (size / state.size) ** golden, guard > 0.1 ? guard : 0));
}

// The report with the status that only the course of many steps shows.
function judged(there, info, state, settings) {
  state.accepted++;
  if (there.f < Math.min(-1, state.f0) / EPS) return { ...info, status: "UNBOUNDED" };
  const size = largest(there.g);
  state.stalled = info.noise && size > 0.9 * state.best ? state.stalled + 1 : 0;
  state.best = Math.min(state.best, size);
  const small = size <= settings.gtol_abs + settings.gtol * state.g0_max;
  return state.stalled >= PATIENCE && !small ? { ...info, status: "PRECISION_LOSS" } : info;
}

// Trials of shorter and shorter steps on one path of CG, until f falls by a tenth of the prediction.
function trustRegionStep(objective, here, radius, eta, settings) {
  const unit = unitOf(here.g), g = scaled(unit, here.g), n = g.length, { max_radius: maxRadius } = settings;
  const first = (Hd, dd) => firstRadius(here.x, dd, Math.sqrt(dot(Hd, Hd)), 10); // shorter steps are on the path already
  const path = steihaugCG((v) => scaled(unit, here.hv(v)), g, radius || settings.initial_radius || first, eta * norm(g),
    Math.min(Math.max(2 * n, 50), 1000));
  radius = Math.min(path.radius, maxRadius);
  const trials = [], whole = solutionAt(path, radius), cg = cgRows(path, whole, unit);
  let s, trial, after = null;
  while (trials.length < MAX_REJECTIONS) {
    s = trials.length ? solutionAt(path, radius) : whole;
    trial = tried(objective, here, s.p, s.predicted / unit, settings.strict_monotone);
    trials.push(trialRow(trial, radius, s.predicted / unit));
    const next = nextRadius(radius, trial.rho, s.norm, maxRadius);
    if (trial.there) after = next;
    if (trial.there || !trial.moved) break;
    radius = next;
  }
  const accepted = trial.there !== null, hopeless = whole.predicted / unit <= NOISE * Math.abs(here.f);
  const info = {
    accepted, status: accepted ? "RUNNING" : hopeless ? "PRECISION_LOSS" : "RADIUS_COLLAPSED", rho: trial.rho,
    radius: after ?? 0, predicted: s.predicted / unit, actual: trial.actual, n_cg: path.products,
    step_norm: accepted ? norm(s.p) : 0, why: s.why, cg_end: path.end, eta, noise: trial.noise, cg, trials,
    smallest_curvature: path.steps.reduce((least, { curvature }) => Math.min(least, curvature), Infinity) / unit,
    rejections: trials.filter((row) => !row.accepted).length,
    negative_curvature: path.end === "negative curvature" ? downhill(path.steps.at(-1).d, g) : null,
  };
  return { there: trial.there, radius: after, info };
}

// Minimize gᵀp + ½pᵀHp inside ‖p‖ ≤ Δ by CG from 0, as far as the residual, the region and the curvature let it (Steihaug 1983,
// Toint 1981). The iterates do not depend on Δ, only where to stop does: so a smaller Δ needs no product. Names: z iterate, r
// residual Hz + g, d direction; `after` is ‖z + αd‖².
function steihaugCG(hv, g, radius, tolerance, maxIterations) {
  const n = g.length, path = { g, steps: [], products: 0, end: "iterations", residual: Math.sqrt(dot(g, g)), radius };
  let r = g, z = new Float64Array(n), d = scaled(-1, g), rr = dot(r, r), zz = 0, zd = 0, dd = rr;
  path.d = d;
  while (path.products < maxIterations) {
    const Hd = hv(d);
    if (!path.products++ && typeof radius === "function") path.radius = radius(Hd, dd);
    if (!allFinite(Hd)) return { ...path, end: "not finite" };
    const along = dot(d, Hd), length = Math.sqrt(dot(d, d));
    const positive = along > 1e-14 * length * Math.sqrt(dot(Hd, Hd)); // below that it is rounding
    const a = positive ? rr / along : Infinity, after = positive ? zz + 2 * a * zd + a * a * dd : Infinity;
    path.steps.push({ d, Hd, a, zz, zd, dd, after, curvature: along / (length * length), residual: path.residual, rr });
    if (!positive) return { ...path, end: "negative curvature" };
    if (!(after < path.radius * path.radius)) return { ...path, end: "boundary" };
    z = plus(z, a, d);
    r = plus(r, a, Hd);
    const before = rr;
    rr = dot(r, r);
    path.residual = Math.sqrt(rr);
    if (path.residual <= tolerance || !(rr > 0)) return { ...path, end: "converged" };
    d = plus(scaled(rr / before, d), -1, r);
    zz = dot(z, z); // not by recurrences, which drift with the loss of orthogonality
    zd = dot(z, d);
    dd = dot(d, d);
  }
  return path;
}

// The positive τ with ‖z + τd‖ = Δ, by the form of the root that does not cancel.
function toBoundary({ zz, zd, dd }, radius) {
  const c = Math.max(radius * radius - zz, 0), root = Math.sqrt(zd * zd + dd * c);
  return zd > 0 ? c / (zd + root) : (root - zd) / dd;
}

// The minimizer along the path inside ‖p‖ ≤ Δ, its image Hp, and the decrease that the model predicts.
function solutionAt(path, radius) {
  const { g, steps } = path;
  let p = new Float64Array(g.length), Hp = p, why = path.end, length = 0, iterations = 0;
  if (!steps.length) { // no product was finite, so only the slope is known
    p = scaled(radius / norm(path.d), path.d);
    return { p, Hp, predicted: -dot(g, p), norm: radius, why, iterations };
  }
  for (const step of steps) {
    const outside = !(step.after < radius * radius), a = outside ? toBoundary(step, radius) : step.a;
    if (outside) [why, length] = [step.a < Infinity ? "boundary" : "negative curvature", radius];
    p = plus(p, a, step.d);
    Hp = plus(Hp, a, step.Hd);
    iterations++;
    if (outside) break;
    length = Math.sqrt(step.after);
  }
  return { p, Hp, predicted: -(dot(g, p) + 0.5 * dot(p, Hp)), norm: length, why, iterations };
}

// The iterations up to a solution. The model falls by ½α·rᵀr in a whole step; the last one may end at the boundary. Where a page
// can draw them, the iterates come too, as `p`.
function cgRows(path, s, unit) {
  const drawn = path.g.length <= 3;
  let model = 0, p = new Float64Array(path.g.length);
  return path.steps.slice(0, s.iterations).map((step, i) => {
    const last = i === s.iterations - 1 && (s.why === "boundary" || s.why === "negative curvature");
    const residual = last ? norm(plus(path.g, 1, s.Hp)) : path.steps[i + 1]?.residual ?? path.residual;
    const alpha = last ? toBoundary(step, s.norm) : step.a;
    model = last ? -s.predicted : model - 0.5 * step.a * step.rr;
    const length = last ? s.norm : Math.sqrt(step.after);
    const found = { residual: residual / unit, curvature: step.curvature / unit, model: model / unit };
    if (drawn) p = plus(p, alpha, step.d);
    return { ...found, norm: length, alpha: alpha * unit, ...(drawn && { p: Array.from(p) }) };
  });
}
