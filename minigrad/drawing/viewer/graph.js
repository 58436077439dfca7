// What reaches what. A graph is a list, for each id, of the ids of its inputs; ids are in a topological order. Knows no page.

function inputsOf(view) {
  const inputs = view.nodes.map(() => []);
  for (const [source, target] of view.edges) if (!inputs[target].includes(source)) inputs[target].push(source);
  return inputs;
}

function usersOf(inputs) {
  const users = inputs.map(() => []);
  inputs.forEach((sources, target) => { for (const source of sources) users[source].push(target); });
  return users;
}

// All that can be reached from `start` by `next`, without `start` itself.
function reach(start, next) {
  const seen = new Set(), stack = [start];
  while (stack.length) for (const i of next[stack.pop()]) if (!seen.has(i)) { seen.add(i); stack.push(i); }
  return seen;
}

// With some nodes hidden, the fewest further edges [source, target] between shown ones with which a shown node reaches another
// exactly if it did before. A target takes the sources that lead to it through hidden nodes alone, the latest first, and leaves
// out those that reach it by now on a way that can be seen.
function bridges(inputs, hidden) {
  const shown = inputs.map(() => []), found = [], stamp = new Int32Array(inputs.length).fill(-1);
  const cover = (start, target) => {
    const stack = [start];
    stamp[start] = target;
    while (stack.length) for (const i of shown[stack.pop()]) if (stamp[i] !== target) { stamp[i] = target; stack.push(i); }
  };
  inputs.forEach((sources, target) => {
    if (hidden[target]) return;
    shown[target] = sources.filter((i) => !hidden[i]);
    const stack = sources.filter((i) => hidden[i]), seen = new Set(stack), far = new Set();
    if (!stack.length) return;
    while (stack.length) {
      for (const i of inputs[stack.pop()]) {
        if (seen.has(i)) continue;
        seen.add(i);
        if (hidden[i]) stack.push(i); else far.add(i);
      }
    }
    for (const i of shown[target]) cover(i, target);
    for (const source of [...far].sort((a, b) => b - a)) {
      if (stamp[source] === target) continue;
      found.push([source, target]);
      shown[target].push(source);
      cover(source, target);
    }
  });
  return found;
}

// The members of a box in the unfolded graph, which are kept as stretches [from, to, from, to, ...].
function* membersOf(node) {
  for (let k = 0; k < node.members.length; k += 2) for (let i = node.members[k]; i < node.members[k + 1]; i++) yield i;
}
