"use strict";
// Trajectories: an optimizer's steps on a printed loss, forwards and backwards, and what the curvature says at a point. Knows no
// page. A `problem` is a printed loss, a `rule` a printed update. A place is where a trajectory is after t steps: `theta`, `loss`
// and `g` there, the optimizer's `state` and `counters`. A place is never changed, so all that was shown can be shown again.

const MEMORY = 32e6, PLACE_BYTES = 1e3; // of the places that a runner keeps; and of a place, beside its vectors
const VALUE_COST = 1 / 3, PRODUCT_COST = 2; // of a loss alone and of a product H·v, in gradients

// Vectors

function dot(a, b) {
  let total = 0;
  for (let i = 0; i < a.length; i++) total += a[i] * b[i];
  return total;
}

function norm(a) {
  const square = dot(a, a);
  if (square > 1e-280 && square < Infinity) return Math.sqrt(square);
  const unit = unitOf(a), b = scaled(unit, a); // the squares have under- or overflowed
  return Math.sqrt(dot(b, b)) / unit;
}

function largest(a) {
  let most = 0;
  for (let i = 0; i < a.length; i++) { const size = Math.abs(a[i]); if (!(size <= most)) most = size; } // NaN stays
  return most;
}

// The power of two that brings the largest entry close to 1; to multiply by it changes no digit.
function unitOf(a) {
  const most = largest(a);
  return most > 0 && most < Infinity ? 2 ** -Math.max(-1000, Math.min(1000, Math.floor(Math.log2(most)) + 1)) : 1;
}

// a + s·b, as a new vector.
function plus(a, s, b) {
  const out = new Float64Array(a.length);
  for (let i = 0; i < a.length; i++) out[i] = a[i] + s * b[i];
  return out;
}

const scaled = (s, a) => a.map((x) => s * x);
const allFinite = (a) => a.every(Number.isFinite);

// Runners

// Step t takes the rows (t − 1)·size and so on, of all in turn or of their `order`, and begins again after the last one.
function feed(problem, t) {
  if (!problem.batches) return;
  const { size, order, data } = problem.batches;
  data.forEach((whole, k) => {
    if (!whole) return;
    const batch = problem.data[k], width = batch.length / size, rows = whole.length / width;
    for (let r = 0; r < size; r++) {
      const turn = (t - 1) * size + r, row = order === "cyclic" ? turn % rows : order[turn % order.length];
      batch.set(whole.subarray(row * width, (row + 1) * width), r * width);
    }
  });
}

// A method begins with a state, evaluates a place, and takes steps. `step` gives the next place without `loss` and `g`, and
// what it cost in gradients; or `stopped`, which says why there is none.
function firstOrder(problem, { rule, numbers }, resumed) {
  const all = { ...rule.numbers, ...numbers }, { starts } = rule;
  requireNumbers(rule, numbers);
  requireState(problem, rule, resumed);
  return {
    begin: () => ({
      state: resumed.state?.map((v) => v.slice()) ?? rule.state.map((name) => new Float64Array(problem.n).fill(starts[name])),
      counters: resumed.counters ?? Object.fromEntries(rule.counters.map((name) => [name, starts[name]])),
    }),
    evaluate(theta) {
      const g = new Float64Array(problem.n);
      return { loss: problem.gradient(theta, g), g };
    },
    stopped: () => "",
    step(place) {
      const theta = place.theta.slice(), state = place.state.map((vector) => vector.slice());
      const counters = rule.step(theta, place.g, state, place.counters, all);
      return { theta, state, counters, cost: 1, info: {} };
    },
    trace: ({ theta, g, state, counters }, _, i) => rule.trace(theta[i], g[i], state.map((v) => v[i]), counters, all),
  };
}

// What is 0, false or a word stands in the text of the rule, and setting it would change nothing.
function requireNumbers(rule, numbers) {
  for (const name in numbers) {
    if (name in rule.numbers || numbers[name] === rule.constants[name]) continue;
    const known = Object.keys(rule.numbers).join(", ");
    throw new TypeError(`${rule.name}(${name}=${numbers[name]}) cannot be set in a page, only ${known}. Print another rule.`);
  }
}

function requireState(problem, rule, { state, counters }) {
  if (state && (state.length !== rule.state.length || state.some((vector) => vector.length !== problem.n))) {
    throw new RangeError(`makeRunner: the state of ${rule.name} needs ${rule.state.length} arrays of ${problem.n} numbers.`);
  }
  const missing = counters ? rule.counters.filter((name) => !(name in counters)) : [];
  if (missing.length) throw new RangeError(`makeRunner: the counters of ${rule.name} need ${missing.join(", ")}.`);
}

function methodOf(problem, method, resumed) {
  if (method.kind === "first") return firstOrder(problem, method, resumed);
  if (method.kind === "newton") return newton(problem, method.settings ?? {}, resumed.state);
  if (method.kind === "newton-cg") return newtonCG(problem, method.settings ?? {}, resumed.state);
  throw new TypeError(`makeRunner: method.kind must be "first", "newton" or "newton-cg", got ${method.kind}.`);
}

// A trajectory that can be looked at after any number of steps t: `seek(t)` shows a place, the getters tell what is there, `info`
// how the step that led there went (of Newton's methods, with the names of Python's `last_step`), and `trace(i)` what it computed
// for one coordinate. `path` has all losses, norms of gradients and costs by t, and of three numbers or fewer the points, one
// after another. `set` begins anew with other numbers, settings or another start. `state` and `counters` go on with a training.
function makeRunner({ problem, method, start, state, counters, memory = MEMORY }) {
  let walk, here, before; // the method; the place that is shown, and the one a step earlier, null at t = 0
  // Places that are kept: one every `interval` steps, which is doubled whenever the memory is full, and those of the last way
  // back, by t. `bytes` is the size of each.
  let checkpoints, interval, recent, bytes;
  let end; // where no further step is taken, and why; null while that is not known

  // The place that `found` leads to, with its loss and gradient on the mini-batch of the step to come.
  function arrive(t, found, cost) {
    feed(problem, t + 1);
    const place = { t, ...found, ...walk.evaluate(found.theta), cost: cost + (found.cost ?? 0) };
    if (end === null || t < end.t) {
      const why = Number.isFinite(place.loss) ? walk.stopped(place) : "The loss is not finite.";
      if (why) end = { t, why, refused: null };
    }
    return place;
  }

  // The place after this one, or null.
  function after(place) {
    if (place.t === end?.t) return null;
    runner.computed++;
    feed(problem, place.t + 1);
    const found = walk.step(place);
    if (!found.stopped) return arrive(place.t + 1, found, place.cost);
    end = { t: place.t, why: found.stopped, refused: found.info };
    return null;
  }

  function note(place) {
    const { path } = runner, { t, theta } = place;
    if (t === checkpoints.length * interval) checkpoints.push(place);
    if (checkpoints.length > 2 && checkpoints.length * bytes > memory) {
      checkpoints = checkpoints.filter((_, k) => k % 2 === 0);
      interval *= 2;
    }
    if (t < path.losses.length) return;
    path.losses.push(place.loss);
    path.norms.push(norm(place.g));
    path.costs.push(place.cost);
    if (problem.n <= 3) path.points.push(...theta);
  }

  function forward(t, keep) {
    for (let next; here.t < t && (next = after(here)); ) {
      [before, here] = [here, next];
      note(here);
      if (keep) remember(here);
    }
  }

  function remember(place) {
    recent.set(place.t, place);
    if (recent.size > 2 && recent.size * bytes > memory) recent.delete(recent.keys().next().value);
  }

  const kept = (t) => recent.get(t) ?? (t % interval ? undefined : checkpoints[t / interval]);

  // The place before the one shown is always known too, for `trace`: so a way back begins at a checkpoint before t.
  function seek(t) {
    if (!Number.isInteger(t) || t < 0) throw new RangeError(`runner.seek(t) needs a whole number from 0 on, got ${t}.`);
    if (end) t = Math.min(t, end.t);
    if (kept(t) && (t === 0 || kept(t - 1))) {
      [before, here] = [t === 0 ? null : kept(t - 1), kept(t)];
      return runner;
    }
    const checkpoint = checkpoints[Math.min(checkpoints.length, Math.ceil(t / interval)) - 1], back = t < here.t;
    if (back || checkpoint.t > here.t) {
      recent.clear();
      [before, here] = [null, checkpoint];
    }
    forward(t, back);
    return runner;
  }

  function set({ numbers, settings, start: from = start }) {
    const changed = { ...method, numbers: { ...method.numbers, ...numbers }, settings: { ...method.settings, ...settings } };
    const found = methodOf(problem, changed, { state, counters }), { n } = problem;
    if (from.length !== n) throw new RangeError(`makeRunner: start needs ${n} numbers, got ${from.length}.`);
    [start, method, walk] = [Float64Array.from(from), changed, found];
    checkpoints = [];
    interval = 1;
    recent = new Map();
    end = null;
    runner.path = { losses: [], norms: [], costs: [], points: [] };
    here = arrive(0, { theta: start, info: {}, ...walk.begin() }, 0);
    before = null;
    bytes = PLACE_BYTES + 8 * n * (2 + (Array.isArray(here.state) ? here.state.length : 0));
    note(here);
    return runner;
  }

  const runner = {
    seek, set,
    computed: 0, // steps computed so far, those on a way back too
    trace: (i) => (before ? walk.trace(before, here, i) : {}),
    get t() { return here.t; },
    get theta() { return here.theta; },
    get loss() { return here.loss; },
    get g() { return here.g; },
    get before() { return before; }, // the place one step earlier, or null
    get state() { return here.state; },
    get counters() { return here.counters; },
    get info() { return here.info; },
    get stopped() { return here.t === end?.t ? end.why : ""; },
    get refused() { return here.t === end?.t ? end.refused : null; }, // the report of a step that led nowhere
    get method() { return method; },
  };
  return set({});
}

// Curvature

// ∇²f, row by row, made symmetric; the problem stays at this point.
function hessian(problem, theta) {
  const { n } = problem, H = new Float64Array(n * n), e = new Float64Array(n), row = new Float64Array(n);
  problem.point(theta);
  problem.pointGradient(row);
  for (let i = 0; i < n; i++) {
    e[i] = 1;
    problem.product(e, row);
    H.set(row, i * n);
    e[i] = 0;
  }
  return symmetrized(H, n);
}

function symmetrized(H, n) {
  for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) H[i * n + j] = H[j * n + i] = 0.5 * (H[i * n + j] + H[j * n + i]);
  return H;
}

// Eigenvalues, ascending, and eigenvectors of a symmetric matrix: Jacobi's rotations, each of which makes one entry 0 (Golub and
// Van Loan, Matrix Computations, 8.5). It takes about 30·n³ operations.
function symmetricEigen(H, n) {
  const A = Float64Array.from(H), V = Array.from({ length: n }, (_, i) => new Float64Array(n).fill(1, i, i + 1));
  const small = 1e-17 * largest(A);
  for (let sweep = 0, turned = true; turned && sweep < 50; sweep++) {
    turned = false;
    for (let p = 0; p < n; p++) for (let q = p + 1; q < n; q++) {
      if (!(Math.abs(A[p * n + q]) > small)) continue;
      turned = true;
      rotate(A, V, n, p, q);
    }
  }
  const order = Array.from(V.keys()).sort((i, j) => A[i * n + i] - A[j * n + j]);
  return { values: Float64Array.from(order, (i) => A[i * n + i]), vectors: order.map((i) => V[i]) };
}

function rotate(A, V, n, p, q) {
  const slope = (A[q * n + q] - A[p * n + p]) / (2 * A[p * n + q]);
  const t = (slope < 0 ? -1 : 1) / (Math.abs(slope) + Math.hypot(1, slope)), c = 1 / Math.hypot(1, t), s = t * c;
  for (let k = 0; k < n; k++) turn(A, k * n + p, A, k * n + q, c, s);
  for (let k = 0; k < n; k++) turn(A, p * n + k, A, q * n + k, c, s);
  for (let k = 0; k < n; k++) turn(V[p], k, V[q], k, c, s);
  A[p * n + q] = A[q * n + p] = 0;
}

function turn(a, i, b, j, c, s) {
  const x = a[i], y = b[j];
  a[i] = c * x - s * y;
  b[j] = s * x + c * y;
}

// The k largest eigenvalues of ∇²f, descending, by Lanczos from a fixed vector; with a `divisor` P, a vector, those of
// P^(−½)·∇²f·P^(−½), which belong to the steps of a method that divides the slope by P.
function topEigenvalues(problem, theta, k, divisor, tolerance = 1e-9) {
  const { n } = problem, root = divisor?.map(Math.sqrt), Hv = new Float64Array(n);
  problem.point(theta);
  problem.pointGradient(Hv);
  const start = Float64Array.from({ length: n }, (_, i) => ((i + 1) * 0.6180339887498949) % 1 - 0.5); // no symmetry of a net
  return lanczos((v) => {
    problem.product(root ? v.map((x, i) => x / root[i]) : v, Hv);
    return root ? Hv.map((x, i) => x / root[i]) : Hv.slice();
  }, start, Math.min(k, n), tolerance);
}

// It stops where the k-th Ritz value is known to `tolerance` of the largest one, which is looked at after every fifth product, or
// after 100 products. Each direction is made
// orthogonal to all before, twice: else values that are found come again.
function lanczos(product, start, k, tolerance, most = 100) {
  const n = start.length, basis = [scaled(1 / norm(start), start)], alpha = [], beta = [];
  for (;;) {
    const m = basis.length, v = basis[m - 1];
    let r = product(v);
    alpha.push(dot(v, r));
    for (let pass = 0; pass < 2; pass++) for (const u of basis) r = plus(r, -dot(u, r), u);
    beta.push(norm(r));
    const ends = beta[m - 1] <= 1e-14 * largest(alpha) || m === Math.min(n, most);
    if (ends || (m >= k && m % 5 === 0)) {
      const { values, vectors } = symmetricEigen(tridiagonal(alpha, beta), m);
      const known = ends || Math.abs(beta[m - 1] * vectors[m - k][m - 1]) <= tolerance * largest(values);
      if (known) return [...values].reverse().slice(0, k);
    }
    basis.push(scaled(1 / beta[m - 1], r));
  }
}

function tridiagonal(alpha, beta) {
  const m = alpha.length, T = new Float64Array(m * m);
  alpha.forEach((a, i) => { T[i * m + i] = a; });
  for (let i = 0; i + 1 < m; i++) T[i * m + i + 1] = T[(i + 1) * m + i] = beta[i];
  return T;
}

// f(θ + α·p) for each α, and what its line and its parabola at θ say; no parabola where the problem has no products.
function alongStep(problem, theta, step, alphas) {
  const g = new Float64Array(problem.n), Hp = new Float64Array(problem.n), f = problem.gradient(theta, g), slope = dot(g, step);
  if (problem.product) {
    problem.point(theta);
    problem.pointGradient(g);
    problem.product(step, Hp);
  }
  const curvature = problem.product ? dot(step, Hp) : NaN;
  const value = (x) => (problem.point ? problem.point(x) : problem.gradient(x, g));
  return {
    losses: alphas.map((a) => value(plus(theta, a, step))),
    line: alphas.map((a) => f + a * slope),
    parabola: problem.product ? alphas.map((a) => f + a * slope + 0.5 * a * a * curvature) : null,
  };
}
