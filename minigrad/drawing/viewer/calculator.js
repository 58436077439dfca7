// The numbers of the graph, computed again when one was changed. The steps come from minigrad's own rules, forward and
// backward; here stand only the functions of arithmetic that they are made of. Knows no page.

const FUNCTIONS = {
  copy: (a) => a, negative: (a) => -a, reciprocal: (a) => 1 / a, square: (a) => a * a, sqrt: Math.sqrt, cbrt: Math.cbrt,
  exp: Math.exp, exp2: (a) => 2 ** a, expm1: Math.expm1, log: Math.log, log2: Math.log2, log10: Math.log10, log1p: Math.log1p,
  sin: Math.sin, cos: Math.cos, tan: Math.tan, arcsin: Math.asin, arccos: Math.acos, arctan: Math.atan,
  sinh: Math.sinh, cosh: Math.cosh, tanh: Math.tanh, arcsinh: Math.asinh, arccosh: Math.acosh, arctanh: Math.atanh,
  absolute: Math.abs, fabs: Math.abs, sign: Math.sign, floor: Math.floor, ceil: Math.ceil, relu: (a) => Math.max(a, 0),
  add: (a, b) => a + b, subtract: (a, b) => a - b, multiply: (a, b) => a * b, divide: (a, b) => a / b,
  power: (a, b) => (a === 1 ? 1 : a ** b), maximum: Math.max, minimum: Math.min,
  greater: (a, b) => +(a > b), greater_equal: (a, b) => +(a >= b), less: (a, b) => +(a < b), less_equal: (a, b) => +(a <= b),
  equal: (a, b) => +(a === b), not_equal: (a, b) => +(a !== b), logical_and: (a, b) => +(!!a && !!b),
  logical_or: (a, b) => +(!!a || !!b), logical_not: (a) => +!a, bitwise_and: (a, b) => a & b, bitwise_or: (a, b) => a | b,
  where: (c, a, b) => (c ? a : b), clip: (a, low, high) => Math.min(Math.max(a, low), high),
  scale: (g, d) => (g === 0 && !Number.isFinite(d) ? 0 : g * d), // products in which zeros win
  select: (a, b) => (a === 0 || b === 0 ? 0 : a * b),
  one_minus_square: (a) => (1 - a) * (1 + a), secant: (a) => Math.hypot(1, a),
  sigmoid: (a) => { const e = Math.exp(-Math.abs(a)); return (a > 0 ? 1 : e) / (1 + e); },
  sigmoid_slope: (y, a) => y * FUNCTIONS.sigmoid(-a),
  softplus: (a) => Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a))),
};

const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);

// Each row of logits as exponentials that cannot overflow, with their sum.
function* softmaxRows(x, columns) {
  for (let at = 0; at < x.length; at += columns) {
    const row = x.slice(at, at + columns), top = Math.max(...row), e = row.map((a) => Math.exp(a - top));
    yield [e, sum(e), row.map((a) => a - top)];
  }
}

function product(a, b, columns) {
  const inner = b.length / columns, out = [];
  for (let i = 0; i < a.length; i += inner) {
    for (let j = 0; j < columns; j++) {
      let total = 0;
      for (let k = 0; k < inner; k++) total += a[i + k] * b[k * columns + j];
      out.push(total);
    }
  }
  return out;
}

// The products of stacks of matrices: `left` and `right` tell which matrix of each a product takes.
function products(a, b, [columns, rows, inner, left, right]) {
  const matrix = (x, size, k) => x.slice(k * size, (k + 1) * size);
  return left.flatMap((k, i) => product(matrix(a, rows * inner, k), matrix(b, inner * columns, right[i]), columns));
}

const WHOLE = { // of (operands, columns); cross entropy gets the places of the labels among all logits
  matmul: ([a, b], more) => (more.length ? products(a, b, more) : product(a, b, more)),
  inner: ([a, b]) => product(a, b, 1),
  linear: ([x, w, b], columns) => product(x, w, columns).map((y, k) => y + b[k % columns]),
  mse_loss: ([p, q]) => [sum(p.map((a, k) => (a - q[k]) ** 2)) / p.length],
  cross_entropy: ([x, places], columns) => {
    const rows = [...softmaxRows(x, columns)];
    return [sum(rows.map(([, total, shifted], k) => Math.log(total) - shifted[places[k] - k * columns])) / rows.length];
  },
  softmax: ([x], columns) => [...softmaxRows(x, columns)].flatMap(([e, total]) => e.map((a) => a / total)),
  log_softmax: ([x], columns) => [...softmaxRows(x, columns)].flatMap(([, total, shifted]) => shifted.map((a) => a - Math.log(total))),
  softmax_residual: ([x, places], columns) => {
    const p = WHOLE.softmax([x], columns);
    for (const place of places) p[place] -= 1;
    return p;
  },
};

// -> {arrays, change}: the array of each step, and what changes a number of a leaf and computes all of them anew.
function makeCalculator({ steps }) {
  const arrays = steps.map(([name, , numbers]) => (name ? null : numbers.map(Number)));
  function run() {
    steps.forEach(([name, size, refs, more, single], at) => {
      if (!name) return;
      const operands = refs.map((ref) => arrays[ref]);
      if (name === "linear map") {
        const out = new Array(size).fill(0);
        for (let k = 0; k < more.length; k += 3) out[more[k]] += more[k + 2] * operands[0][more[k + 1]];
        arrays[at] = out;
      } else if (WHOLE[name]) arrays[at] = WHOLE[name](operands, more);
      else {
        const f = FUNCTIONS[name], out = [];
        for (let k = 0; k < size; k++) out.push(f(...operands.map((a, p) => a[a.length === 1 ? 0 : more?.[p] ? more[p][k] : k])));
        arrays[at] = out;
      }
      if (single) arrays[at] = arrays[at].map(Math.fround);
    });
  }
  function change(at, k, x) {
    arrays[at][k] = steps[at][3] ? Math.fround(x) : x;
    run();
  }
  run();
  return { arrays, change };
}

// A number and an array as Python's side writes them: four digits, short arrays in full, the range of others.
function numberText(x) {
  if (Number.isNaN(x)) return "nan";
  if (!Number.isFinite(x)) return x > 0 ? "inf" : "-inf";
  if (x === 0) return "0";
  const [digits, exponent] = x.toExponential(3).split("e"), short = digits.replace(/\.?0+$/, ""), e = +exponent;
  if (e < -4 || e >= 4) return `${short}e${e < 0 ? "-" : "+"}${String(Math.abs(e)).padStart(2, "0")}`;
  return String(+x.toPrecision(4));
}

function arrayText(a, form) {
  if (form === 3) return `${sum(a)} of ${a.length} true`;
  if (form === 4) return a[0] ? "True" : "False";
  if (form === 0) return numberText(a[0]);
  if (form === 1) return `[${a.map(numberText).join(", ")}]`;
  return `${numberText(Math.min(...a))} … ${numberText(Math.max(...a))}, mean ${numberText(sum(a) / a.length)}`;
}
