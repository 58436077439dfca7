// The two passes as a film. Before step 0 the values come, box by box: at −k there are k boxes without theirs. After k steps of
// the backward pass every box has a text and a state: "" untouched, "partial" while contributions are still to come, "done" when
// its cotangent is complete. Only what differs from what is on the screen is written. `arrays` are the numbers, by ref.

function makePlayer(view, prefix, arrays) {
  const n = view.nodes.length, steps = view.steps, last = new Int32Array(n).fill(-1);
  if (steps.length) last[steps[0][0]] = 0;
  steps.forEach(([, , arrivals], k) => { for (const [i] of arrivals) last[i] = Math.max(last[i], k + 1); });
  const works = view.nodes.map(({ kind }) => kind === "op" || kind === "fold");
  const forth = view.nodes.map((_, i) => i).filter((i) => works[i] && view.nodes[i].phase === "forward");
  const turn = new Map(forth.map((i, k) => [i, k])), lights = view.nodes.map(() => 0);
  const visited = new Map(steps.map(([i], k) => [i, k + 1]));
  view.nodes.forEach(({ about, phase }, i) => { if (phase !== "forward" && works[i]) lights[i] = visited.get(about) ?? 0; });
  for (const [i, j] of view.edges) if (works[j] && view.nodes[j].phase !== "forward") lights[j] = Math.max(lights[j], lights[i]);
  let written = [], states = [];

  const player = { length: steps.length, before: steps.length ? forth.length : 0, at: 0, takesPart: (i) => last[i] >= 0 };

  function after(k) {
    const texts = new Array(n).fill("");
    if (steps.length && k >= 0) texts[steps[0][0]] = steps[0][1];
    const touched = new Uint8Array(n);
    if (steps.length && k >= 0) touched[steps[0][0]] = 1;
    for (let s = 0; s < k; s++) for (const [i, text] of steps[s][2]) { texts[i] = text; touched[i] = 1; }
    return [texts, Array.from(touched, (t, i) => (!t ? "" : k >= last[i] ? "done" : "partial"))];
  }

  // The cotangent after k steps of a parameter that is written into a box.
  player.within = (box, place, k) => {
    for (let s = k - 1; s >= 0; s--) for (const [i, p, words] of steps[s][3]) if (i === box && p === place) return words;
    return "";
  };
  player.reset = () => { written = []; states = []; };
  player.show = (k, scene) => {
    const [texts, now] = after(k), { nodes, slots } = scene;
    player.at = k;
    scene.root.classList.toggle("forth", k < 0);
    for (let i = 0; i < n; i++) {
      nodes[i].classList.toggle("unborn", k < 0 && works[i] && (turn.get(i) ?? n) >= forth.length + k);
      nodes[i].classList.toggle("worked", k >= 0 && works[i] && view.nodes[i].phase !== "forward" && lights[i] <= k);
      if (states[i] !== now[i]) {
        nodes[i].classList.toggle("partial", now[i] === "partial");
        nodes[i].classList.toggle("done", now[i] === "done");
      }
      if (slots[i] && written[i] !== texts[i]) slots[i].textContent = texts[i] && prefix + texts[i];
    }
    for (const [box, place, element] of scene.within) {
      const words = player.within(box, place, k);
      element.textContent = words && prefix + words;
    }
    written = texts;
    states = now;
    return states;
  };
  player.current = () => (player.at < 0 ? forth[Math.max(0, forth.length + player.at - 1)] : player.at ? steps[player.at - 1][0] : steps.length ? steps[0][0] : -1);
  // The numbers that a step multiplies: [input, local derivative, its formula, cotangent, product] for each input that has them.
  player.slopes = () => {
    const [node, , arrivals] = steps[player.at - 1] || [], [g, ways] = view.refs[player.at - 1] || [];
    if (node === undefined || !arrays[g]) return [];
    return ways.flatMap(([, d, formula], p) => (d < 0 ? [] : [[arrivals[p][0], arrays[d][0], formula, arrays[g][0], arrays[g][0] * arrays[d][0]]]));
  };
  player.story = () => {
    if (!steps.length) return "";
    const name = (i) => `“${view.nodes[i].label.slice(0, 60)}”`, k = player.at;
    if (k < 0) {
      const done = forth.length + k, value = done && view.nodes[forth[done - 1]].facts[player.value];
      return done ? `${name(forth[done - 1])}${value ? ` is ${value}` : " is computed"}.` : "The leaves have their values.";
    }
    if (!k) return `The output ${name(steps[0][0])} starts with ${prefix}${steps[0][1] || "1"}.`;
    const [node, gradient, arrivals] = steps[k - 1];
    const told = arrivals.slice(0, 4).map(([i, text]) => name(i) + (text && text.length < 18 ? ` (${prefix}${text})` : "") + (k < last[i] ? " so far" : ""));
    const more = arrivals.length > 4 ? ` and ${arrivals.length - 4} more` : "";
    const why = player.slopes().slice(0, 3).map(([i, d, formula, g, c]) =>
      ` ${name(i)} gets ${numberText(g)} · ${numberText(d)} = ${numberText(c)}${formula && `, for ${formula} = ${numberText(d)}`}.`);
    return `${name(node)} ${gradient && `(${prefix}${gradient}) `}hands on to ${told.join(", ") || "nothing that is shown"}${more}.${why.join("")}`;
  };
  return player;
}
