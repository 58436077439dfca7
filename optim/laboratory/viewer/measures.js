// The numbers of a preset: measured by a run of this page, just now, beside the published ones. A measure is a word and settings;
// `k` is the position of the walker in the preset, `i` a coordinate, `t` a step.

const MEASURES = {
  // θᵢ after t steps; less that after `minus` steps, or divided by that after `over` steps
  coordinate: (run, { k = 0, i = 0, t, minus, over }) => {
    const x = at(run(k), t).theta[i];
    return minus !== undefined ? x - at(run(k), minus).theta[i] : over !== undefined ? x / at(run(k), over).theta[i] : x;
  },
  // the largest and the least θᵢ from one step to another
  largest: (run, { k = 0, i = 0, first, last }) => Math.max(...places(run(k), last).slice(first).map((theta) => theta[i])),
  least: (run, { k = 0, i = 0, first, last }) => Math.min(...places(run(k), last).slice(first).map((theta) => theta[i])),
  // the loss after t steps, less that after `minus` steps, or divided by `over`
  loss: (run, { k = 0, t, minus, over = 1 }) => (at(run(k), t).loss - (minus === undefined ? 0 : at(run(k), minus).loss)) / over,
  // what the first t steps cost, in gradients
  cost: (run, { k = 0, t }) => at(run(k), t).path.costs[t],
  // the first step after which θᵢ, its size or the largest size of all has come to a side of `value`
  until: (run, { k = 0, i = 0, of = "coordinate", side, value, most }) => {
    const sees = { coordinate: ({ theta }) => theta[i], size: ({ theta }) => Math.abs(theta[i]), largest: ({ theta }) => largest(theta) }[of];
    for (let t = 0; t <= most; t++) { const x = sees(at(run(k), t)); if (side === "below" ? x <= value : x >= value) return t; }
    return NaN;
  },
  // how often θᵢ changes its sign in t steps
  signs: (run, { k = 0, i = 0, t }) => places(run(k), t).filter((theta, s, all) => s > 0 && theta[i] * all[s - 1][i] < 0).length,
  // what the rule computed in step t, divided by `over`
  traced: (run, { k = 0, i = 0, name, t, over = 1 }) => at(run(k), t).trace(i)[name] / over,
  // the length of step t in one coordinate, divided by `over`, or by that in the coordinate `against`
  stride: (run, { k = 0, i = 0, t, over = 1, against }) => stride(run(k), t, i) / (against === undefined ? over : stride(run(k), t, against)),
  // the number of the largest of the first t steps
  longest: (run, { k = 0, i = 0, t }) => {
    const all = places(run(k), t).map((theta, s, each) => (s ? Math.abs(theta[i] - each[s - 1][i]) : 0));
    return all.indexOf(Math.max(...all));
  },
  // log₁₀ of the largest over the smallest coordinate of the first step
  digits: (run, { k = 0 }) => {
    const [from, to] = places(run(k), 1), sizes = to.map((x, i) => Math.abs(x - from[i]));
    return Math.log10(Math.max(...sizes) / Math.min(...sizes));
  },
  // the factor by which ‖θ‖ changes with each step, on average from one step to another
  share: (run, { k = 0, first, last }) => (norm(at(run(k), last).theta) / norm(at(run(k), first).theta)) ** (1 / (last - first)),
  // e₊/e², with e the distance from `to` before step t
  order: (run, { k = 0, t, to }) => { const [before, after] = [t - 1, t].map((s) => norm(plus(at(run(k), s).theta, -1, to))); return after / before ** 2; },
  distance: (run, { k = 0, t, to }) => norm(plus(at(run(k), t).theta, -1, to)),
  // the largest distance between two walks in t steps
  apart: (run, { k, other, t }) => { const there = places(run(other), t); return Math.max(...places(run(k), t).map((theta, s) => norm(plus(theta, -1, there[s])))); },
  products: (run, { k = 0, t }) => at(run(k), t).info.n_cg ?? NaN,
  // the largest eigenvalue of the Hessian at the start
  sharpness: (run, { k = 0 }) => symmetricEigen(hessian(run(k).problem, at(run(k), 0).theta), run(k).problem.n).values.at(-1),
  // the largest rate with which the loss still falls after 180 steps, by halving
  limit: (run, { k = 0, low, high }) => halved(low, high, 14, (lr) => {
    const { losses } = run(k, { lr }).seek(200).path;
    return losses.length === 201 && Math.max(...losses.slice(-10)) < Math.max(...losses.slice(-20, -10));
  }),
  // of starts between `low` and `high`, that from which on the walk no longer ends on the side of `low`
  basin: (run, { k = 0, low, high, t, value }) => {
    const ends = (x) => at(run(k, {}, [x]), t).theta[0] > value, side = ends(low);
    return halved(low, high, 14, (x) => ends(x) === side);
  },
  // at how many different points walks of two numbers end, from side × side starts
  ends: async (run, { k = 0, side, low, high, t }) => {
    const found = [], place = (s) => low + ((high - low) * s) / (side - 1);
    for (let row = 0; row < side; row++) {
      for (let column = 0; column < side; column++) {
        const { theta } = run(k, {}, [place(column), place(row)]).seek(t); // it may arrive before
        if (!found.some((other) => norm(plus(other, -1, theta)) < 1e-5)) found.push(theta.slice());
      }
      await rest();
    }
    return found.length;
  },
  // the median of rate × curvature at every `every`-th step from one step to another
  edge: async (run, { k = 0, first, last, every }) => {
    const found = [];
    for (let t = first; t <= last; t += every) {
      for (let s = run(k).t; s < t; s += 25) { run(k).seek(Math.min(t, s + 25)); await rest(); }
      found.push(seenCurvature(run.walker(k), run(k), 1, 1e-4).products[0]);
    }
    return found.sort((a, b) => a - b)[found.length >> 1];
  },
};

// The number between `low`, where it holds, and `high`, where it does not, from which on it no longer holds.
function halved(low, high, halvings, holds) {
  for (let k = 0; k < halvings; k++) { const middle = (low + high) / 2; if (holds(middle)) low = middle; else high = middle; }
  return low;
}

const places = (runner, t) => Array.from({ length: t + 1 }, (_, s) => at(runner, s).theta);
const stride = (runner, t, i) => Math.abs(at(runner, t).theta[i] - at(runner, t - 1).theta[i]);

// The runner after t steps; NaN where it has stopped before.
function at(runner, t) {
  runner.seek(t);
  return runner.t === t ? runner : { theta: runner.theta.map(() => NaN), loss: NaN, trace: () => ({}), info: {}, path: { costs: [] } };
}

// A pause in which the page can follow its reader.
const rest = () => new Promise((done) => { setTimeout(done); });

// All numbers of a preset, one after the other; those that are not there yet are missing in `lab.measured`. A measure may be `on` another loss, from another `start`, and by `who`, walkers of its own.
async function measure(preset) {
  const found = lab.measured = [];
  for (const { word, settings } of preset?.measures ?? []) {
    const problem = settings.on === undefined ? lab.problem : data.problems.findIndex(({ name }) => name === settings.on);
    const start = settings.start ?? (problem === lab.problem ? preset.start : null) ?? data.problems[problem].start, runners = new Map();
    const walker = (k, changes) => { const [label, given] = (settings.who ?? preset.methods)[k]; return { k: methodNamed(label), changes: { ...given, ...changes } }; };
    const run = (k, changes = {}, from = start) => {
      const key = JSON.stringify([k, changes, from]);
      if (!runners.has(key)) {
        const loss = PROBLEMS[problem]();
        runners.set(key, Object.assign(makeRunner({ problem: loss, method: methodFor(walker(k, changes)), start: Float64Array.from(from) }), { problem: loss }));
      }
      return runners.get(key);
    };
    await rest();
    if (lab.measured !== found) return; // another preset is open
    found.push(await MEASURES[word](Object.assign(run, { walker }), settings));
    if (lab.panel === "measured") showMeasured();
  }
}

const methodNamed = (label) => data.methods.findIndex((method) => method.label === label);

function showMeasured() {
  const preset = data.presets.find(({ name }) => name === lab.preset);
  $("measured-says").textContent = preset?.measures.length
    ? "Each number is measured by a run of this page when the preset is opened. The published one is derived in the lecture, or stands in the paper that the gallery names. ✓ means that they differ by no more than the last number."
    : "Choose a topic of the lecture or the gallery above: its numbers are measured here, beside the published ones.";
  const rows = (preset?.measures ?? []).map(({ what, expected, tolerance }, k) => {
    const x = lab.measured[k] ?? "…", holds = Math.abs(x - expected) <= tolerance + 1e-12 * Math.abs(expected);
    return [`measure${k}`, what, x, expected, Math.max(tolerance, 1e-12 * Math.abs(expected)), x === "…" ? "" : holds ? "✓" : "differs"];
  });
  fillTable($("measured-table"), rows, ["", "measured", "published", "within", ""]);
}
