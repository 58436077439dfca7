// The numbers of a preset: measured by a run of this page, just now, beside the published ones. A measure is a word and settings;
// `k` is the position of the walker in the preset, `i` a coordinate, `t` a step.

const MEASURES = {
  // θᵢ after t steps; divided by that after `over` steps
  coordinate: (run, { k = 0, i = 0, t, over }) => at(run(k), t).theta[i] / (over === undefined ? 1 : at(run(k), over).theta[i]),
  loss: (run, { k = 0, t, minus }) => at(run(k), t).loss - (minus === undefined ? 0 : at(run(k), minus).loss),
  // the first step after which θᵢ, its size or the largest size of all is on a side of `value`
  until: (run, { k = 0, i = 0, of = "coordinate", side, value, most }) => {
    const runner = run(k), sees = { coordinate: ({ theta }) => theta[i], size: ({ theta }) => Math.abs(theta[i]), largest: ({ theta }) => largest(theta) }[of];
    for (let t = 0; t <= most; t++) { const x = sees(at(runner, t)); if (side === "below" ? x <= value : x >= value) return t; }
    return NaN;
  },
  // how often θᵢ changes its sign in t steps
  signs: (run, { k = 0, i = 0, t }) => {
    let count = 0, last = at(run(k), 0).theta[i];
    for (let s = 1; s <= t; s++) { const x = at(run(k), s).theta[i]; if (x * last < 0) count++; last = x; }
    return count;
  },
  // what the rule computed in step t, divided by `over`
  traced: (run, { k = 0, i = 0, name, t, over = 1 }) => at(run(k), t).trace(i)[name] / over,
  // the size of θ by which each step from one step to another is smaller, on average
  share: (run, { k = 0, from, to }) => (norm(at(run(k), to).theta) / norm(at(run(k), from).theta)) ** (1 / (to - from)),
  distance: (run, { k = 0, t, to }) => norm(at(run(k), t).theta.map((x, i) => x - to[i])),
  // the largest distance between two walkers in t steps
  apart: (run, { k, other, t }) => {
    let most = 0;
    for (let s = 0; s <= t; s++) most = Math.max(most, norm(at(run(k), s).theta.map((x, i) => x - at(run(other), s).theta[i])));
    return most;
  },
  products: (run, { k = 0, t }) => at(run(k), t).info.cg?.length ?? NaN,
  sharpness: () => symmetricEigen(hessian(problemNow(), lab.start), problemNow().n).values.at(-1),
  // the largest rate with which the loss still falls after 180 steps, by halving
  limit: (run, { k = 0, low, high }) => {
    const falls = (lr) => {
      const { losses } = run(k, { lr }).seek(200).path, end = losses.slice(-10), before = losses.slice(-20, -10);
      return losses.length === 201 && Math.max(...end) < Math.max(...before);
    };
    for (let halving = 0; halving < 14; halving++) { const lr = (low + high) / 2; if (falls(lr)) low = lr; else high = lr; }
    return low;
  },
};

// The runner after t steps; NaN where it has stopped before.
function at(runner, t) {
  runner.seek(t);
  if (runner.t === t) return runner;
  const none = runner.theta.map(() => NaN);
  return { theta: none, loss: NaN, trace: () => ({}), info: {} };
}

function measured(preset) {
  const { methods, measures, start } = preset, runners = new Map();
  const run = (k, changes) => {
    const [label, given] = methods[k], key = JSON.stringify([k, changes]);
    if (!runners.has(key)) runners.set(key, makeRunnerFor({ k: methodNamed(label), changes: { ...given, ...changes } }, start ?? data.problems[lab.problem].start));
    return runners.get(key);
  };
  return measures.map(({ word, settings }) => MEASURES[word](run, settings));
}

const methodNamed = (label) => data.methods.findIndex((method) => method.label === label);

function showMeasured() {
  const preset = data.presets.find(({ name }) => name === lab.preset);
  $("measured-says").textContent = preset?.measures.length
    ? "Each number was measured by a run of this page when the preset was opened. The published one is derived in the lecture."
    : "Choose a topic of the lecture above: its numbers are measured here, beside the published ones.";
  const rows = (preset?.measures ?? []).map(({ what, expected, tolerance }, k) => {
    const x = lab.measured[k], holds = Math.abs(x - expected) <= tolerance + 1e-12 * Math.abs(expected);
    return [`measure${k}`, what, x, expected, holds ? "✓" : "differs"];
  });
  fillTable($("measured-table"), rows, ["", "measured", "published", ""]);
}
