"use strict";
// Trajectories: an optimizer's steps on a printed loss, forwards and backwards, and what the curvature says at a point. Knows no
// page. A `problem` is a printed loss, a `rule` a printed update. A place is where a trajectory is after t steps: `theta`, `loss`
// and `g` there, the optimizer's `state` and `counters`. A place is never changed, so all that was shown can be shown again.

const EPS = 2 ** -52;
const MEMORY = 32e6, PLACE_BYTES = 1e3; // of the places that a runner keeps; and of a place, beside its vectors
const WHOLE = 32; // unknowns up to which the largest eigenvalues are those of the whole matrix
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
  if ("eps" in all) all.eps = Math.max(all.eps, 2 ** -1022); // as in Python: where no slope was yet, 0/ε must not be 0/0
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

// The k largest eigenvalues of ∇²f, descending, to `tolerance` of the largest; with a `divisor` P, a vector, those of
// P^(−½)·∇²f·P^(−½), which belong to the steps of a method that divides the slope by P. The whole matrix takes `n` products; of more
// than WHOLE unknowns Lanczos' method asks for fewer. An eigenvalue comes as often as it is one.
function topEigenvalues(problem, theta, k, divisor, tolerance = 1e-13) {
  const { n } = problem, root = Float64Array.from({ length: n }, (_, i) => Math.sqrt(divisor?.[i] ?? 1)), Hv = new Float64Array(n);
  if (n <= WHOLE) {
    const H = hessian(problem, theta).map((x, at) => x / (root[Math.floor(at / n)] * root[at % n]));
    return [...symmetricEigen(H, n).values].reverse().slice(0, k);
  }
  problem.point(theta);
  problem.pointGradient(Hv);
  return withRepeated((v) => {
    problem.product(v.map((x, i) => x / root[i]), Hv);
    return Hv.map((x, i) => x / root[i]);
  }, n, Math.min(k, n), tolerance);
}

// A run of Lanczos' method sees one vector of each eigenspace, that along its start. So another run follows, orthogonal to all
// vectors found, until the largest value that is left is not above the k-th (Parlett, The Symmetric Eigenvalue Problem, 13.7).
function withRepeated(product, n, k, tolerance) {
  let found = [], scale = 0;
  for (let run = 1; ; run++) {
    const start = Float64Array.from({ length: n }, (_, i) => ((i + 1) * run * 0.6180339887498949) % 1 - 0.5); // no symmetry of a net
    const least = found.length < k ? -Infinity : found[k - 1].value;
    const more = lanczos(product, start, run === 1 ? k : 1, tolerance, { found, least, scale });
    if (!more.length) return new Array(k).fill(NaN);
    found = [...found, ...more].sort((a, b) => b.value - a.value);
    scale = Math.max(scale, ...more.map(({ size }) => size));
    if (more[0].value <= least || found.length === n) return found.slice(0, k).map(({ value }) => value);
  }
}

// The k largest eigenvalues, fewer where the start leads to fewer, with their vectors and the largest `size` of a value, on what is
// orthogonal to those `found`; nothing where a product is not finite. Each direction is made orthogonal to all before, twice: else
// values that are found come again. Every fourth product is followed by a look. It stops where the k-th Ritz value is known to the
// tolerance of the largest or of `scale`, or where the first one surely stays below `least`.
function lanczos(product, start, k, tolerance, { found, least, scale }) {
  const locked = found.map(({ vector }) => vector), basis = [], alpha = [], beta = [];
  const clean = (r) => {
    for (let pass = 0; pass < 2; pass++) for (const vectors of [locked, basis]) for (const u of vectors) {
      const share = dot(u, r);
      for (let i = 0; i < r.length; i++) r[i] -= share * u[i];
    }
    return r;
  };
  for (let r = clean(start), length = norm(r); ; length = beta.at(-1)) {
    const v = scaled(1 / length, r), m = basis.push(v);
    r = product(v);
    alpha.push(dot(v, r));
    beta.push(norm(clean(r)));
    if (!Number.isFinite(beta[m - 1])) return [];
    const ends = m + locked.length === start.length || beta[m - 1] <= 1e-14 * Math.max(scale, largest(alpha));
    if (!ends && (m <= k || m % 4)) continue;
    const ritz = ritzPairs(alpha, beta), size = Math.max(...ritz.map(({ value }) => Math.abs(value)));
    const known = ritzError(ritz, k) <= tolerance * Math.max(scale, size), [{ value, residual }] = ritz;
    if (ends || known || residual < 1e-3 * (least - value)) return ritzPairs(alpha, beta, basis).slice(0, k).map((pair) => ({ ...pair, size }));
  }
}

// The Ritz values, descending, each with the norm of Hv − λv, and with its vector if the `basis` is given. They are the eigenvalues
// of the tridiagonal matrix with `alpha` on its diagonal and `beta` beside it, by QL steps with Wilkinson's shift, and the last
// entries of its eigenvectors tell the norms (EISPACK's tql2; Golub and Van Loan, 8.3 and 10.1). `rows` are the rows of the matrix
// of these eigenvectors: the last one alone, or all.
function ritzPairs(alpha, beta, basis) {
  const n = alpha.length, d = Float64Array.from(alpha), e = Float64Array.from(beta);
  const rows = Array.from({ length: basis ? n : 1 }, (_, i) => new Float64Array(n).fill(1, basis ? i : n - 1, basis ? i + 1 : n));
  for (let l = 0; l < n; l++) for (let turns = 0; ; turns++) {
    let m = l;
    while (m + 1 < n && Math.abs(e[m]) > 0.5 * EPS * (Math.abs(d[m]) + Math.abs(d[m + 1]))) m++;
    if (m === l) break;
    if (turns < 60) chase(d, e, rows, l, m); else d.fill(NaN); // no matrix is known that needs as many
  }
  const order = Array.from(d.keys()).sort((i, j) => d[j] - d[i]), zero = new Float64Array(basis?.[0].length ?? 0);
  return order.map((i) => ({
    value: d[i], residual: Math.abs(beta[n - 1] * rows.at(-1)[i]), vector: basis?.reduce((sum, v, j) => plus(sum, rows[j][i], v), zero),
  }));
}

// A QL step on the rows from l to m: the first rotation makes a bulge, and the others chase it from m up to l.
function chase(d, e, rows, l, m) {
  const half = (d[l + 1] - d[l]) / (2 * e[l]);
  let g = d[m] - d[l] + e[l] / (half + (half < 0 ? -1 : 1) * Math.hypot(half, 1)), s = 1, c = 1, shift = 0;
  for (let i = m - 1; i >= l; i--) {
    const f = s * e[i], b = c * e[i], r = Math.hypot(f, g);
    e[i + 1] = r;
    if (r === 0) { // the matrix falls in two
      d[i + 1] -= shift;
      e[m] = 0;
      return;
    }
    [s, c] = [f / r, g / r];
    g = d[i + 1] - shift;
    const t = (d[i] - g) * s + 2 * c * b;
    shift = s * t;
    d[i + 1] = g + shift;
    g = c * t - b;
    for (const row of rows) [row[i + 1], row[i]] = [c * row[i + 1] + s * row[i], c * row[i] - s * row[i + 1]];
  }
  d[l] -= shift;
  e[l] = g;
  e[m] = 0;
}

// How far the k largest Ritz values may be from eigenvalues: by the residual, or its square over the gap to the other values
// where that is less (Kato 1949, Temple 1928).
function ritzError(ritz, k) {
  return Math.max(...ritz.slice(0, k).map(({ value, residual }, i) => {
    const gap = Math.min(...ritz.map((other, j) => (j === i ? Infinity : Math.abs(value - other.value) - other.residual)));
    return gap > 0 ? Math.min(residual, residual * (residual / gap)) : residual;
  }));
}

// pᵀHp, and the curvature pᵀHp/‖p‖² of a step, whose squares may be beyond all numbers. A difference of losses would lose half of
// the digits.
function curvatureAlong(problem, theta, step) {
  if (!problem.product) return { bend: NaN, curvature: NaN };
  const unit = unitOf(step), u = scaled(unit, step), Hu = new Float64Array(problem.n);
  problem.point(theta);
  problem.pointGradient(Hu);
  problem.product(u, Hu);
  return { bend: dot(step, scaled(1 / unit, Hu)), curvature: dot(u, Hu) / dot(u, u) };
}

// f(θ + α·p) for each α, and what its line and its parabola at θ say; no parabola where the problem has no products.
function alongStep(problem, theta, step, alphas) {
  const g = new Float64Array(problem.n), f = problem.gradient(theta, g), slope = dot(g, step), { bend } = curvatureAlong(problem, theta, step);
  const value = (x) => (problem.point ? problem.point(x) : problem.gradient(x, g));
  return {
    losses: alphas.map((a) => value(plus(theta, a, step))),
    line: alphas.map((a) => f + a * slope),
    parabola: problem.product ? alphas.map((a) => f + a * slope + 0.5 * a * a * bend) : null,
  };
}
