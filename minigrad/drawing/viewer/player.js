// The backward pass as a film. After k steps every box has a text and a state: "" untouched, "partial" while contributions
// are still to come, "done" when its cotangent is complete. Only what differs from what is on the screen is written.

function makePlayer(view, prefix) {
  const n = view.nodes.length, steps = view.steps, last = new Int32Array(n).fill(-1);
  if (steps.length) last[steps[0][0]] = 0;
  steps.forEach(([, , arrivals], k) => { for (const [i] of arrivals) last[i] = Math.max(last[i], k + 1); });
  let written = [], states = [];

  const player = { length: steps.length, at: 0, takesPart: (i) => last[i] >= 0 };

  function after(k) {
    const texts = new Array(n).fill("");
    if (steps.length) texts[steps[0][0]] = steps[0][1];
    const touched = new Uint8Array(n);
    if (steps.length) touched[steps[0][0]] = 1;
    for (let s = 0; s < k; s++) for (const [i, text] of steps[s][2]) { texts[i] = text; touched[i] = 1; }
    return [texts, Array.from(touched, (t, i) => (!t ? "" : k >= last[i] ? "done" : "partial"))];
  }

  player.reset = () => { written = []; states = []; };
  player.show = (k, scene) => {
    const [texts, now] = after(k), { nodes, slots } = scene;
    player.at = k;
    for (let i = 0; i < n; i++) {
      if (states[i] !== now[i]) {
        nodes[i].classList.toggle("partial", now[i] === "partial");
        nodes[i].classList.toggle("done", now[i] === "done");
      }
      if (slots[i] && written[i] !== texts[i]) slots[i].textContent = texts[i] && prefix + texts[i];
    }
    written = texts;
    states = now;
    return states;
  };
  player.current = () => (player.at ? steps[player.at - 1][0] : steps.length ? steps[0][0] : -1);
  player.story = () => {
    if (!steps.length) return "";
    const name = (i) => `“${view.nodes[i].label.slice(0, 60)}”`, k = player.at;
    if (!k) return `The output ${name(steps[0][0])} starts with ${prefix}${steps[0][1] || "1"}.`;
    const [node, gradient, arrivals] = steps[k - 1];
    const told = arrivals.slice(0, 4).map(([i, text]) => name(i) + (text && text.length < 18 ? ` (${prefix}${text})` : "") + (k < last[i] ? " so far" : ""));
    const more = arrivals.length > 4 ? ` and ${arrivals.length - 4} more` : "";
    return `${name(node)} ${gradient && `(${prefix}${gradient}) `}hands on to ${told.join(", ") || "nothing that is shown"}${more}.`;
  };
  return player;
}
