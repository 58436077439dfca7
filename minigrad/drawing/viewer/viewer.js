// The page: what is chosen (view, phases, folded modules, a box, a search), and how the elements follow from it.

const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const view = $("view"), stage = $("stage"), root = document.documentElement;
const camera = makeCamera(view, stage, scaled);
const fact = Object.fromEntries(data.facts.map((name, k) => [name, k]));
const calm = matchMedia("(prefers-reduced-motion: reduce)");

const calculator = makeCalculator(data.program), { arrays } = calculator;
const leaves = new Set(data.program.leaves);

let level = 0, now, scene, player; // the level of folding; its view; that as elements; its backward pass
let inputs, users, hay; // by box of this view: what goes in, who uses it, what a search looks through
const off = new Set(); // phases that are not shown
let folded = new Set(); // clusters of this view drawn as a card
let playing = false, timer = 0, changed = false, heated = false; // changed: a number is not the recorded one
let selected = -1, focused = 0, hits = [], hit = -1;
let held = -1, grip = null, gripped = false; // the box whose number the arrow keys change; a number that is dragged; was that the last press

function make(name, words, attributes = {}) {
  const element = document.createElement(name);
  if (words !== undefined) element.textContent = words;
  for (const key in attributes) element.setAttribute(key, attributes[key]);
  return element;
}

// A view on the screen

function open(index, { anchor = -1, mode = playing, first = false } = {}) {
  const place = anchor >= 0 && scene ? camera.at(boxOf(anchor)) : null, same = now === data.views[index];
  const member = anchor >= 0 && now ? membersOf(now.nodes[anchor]).next().value : -1;
  const step = player && same ? player.at : 0;
  if (!same) {
    level = index;
    now = data.views[index];
    inputs = inputsOf(now);
    users = usersOf(inputs);
    player = makePlayer(now, data.gradient, arrays);
    player.value = fact.value;
    if (changed) rewrite();
    folded = new Set();
    hay = null;
    selected = hit = held = -1;
    hits = [];
    focused = Math.max(0, owner(member));
    stop();
  }
  playing = mode && player.length > 0;
  scene = makeScene(now, layout(), data);
  player.reset();
  makeMinimap();
  strips();
  if (changed) values();
  handles();
  heat();
  stage.replaceChildren(scene.root);
  camera.width = scene.width;
  camera.height = scene.height;
  for (const radio of $("levels").children) {
    const on = +radio.dataset.level === level;
    radio.setAttribute("aria-checked", on);
    radio.tabIndex = on ? 0 : -1;
  }
  $("play-mode").hidden = !player.length;
  $("play-mode").setAttribute("aria-pressed", playing);
  $("player").hidden = !playing;
  scene.root.classList.toggle("playing", playing);
  $("step").max = player.length;
  $("step").min = -player.before;
  arrange();
  const target = owner(member);
  if (place && target >= 0) {
    const [x, y, width, height] = boxOf(target);
    camera.place(place[0] - (x + width / 2) * camera.k, place[1] - (y + height / 2) * camera.k, camera.k);
  } else if (first) camera.open(beside()); else camera.fit(false, beside());
  if (playing) show(same ? step : 0); else settle();
  $("size").textContent = sizeText();
  if (!same && $("query").value) search();
  if (same && selected >= 0) select(selected);
  if (!same) close();
}

function sizeText() {
  const boxes = `${now.nodes.length.toLocaleString("en")} ${now.nodes.length === 1 ? "box" : "boxes"}`;
  return data.total > now.nodes.length ? `${boxes} for ${data.total.toLocaleString("en")} operations and leaves` : boxes;
}

// Outside of a playback the boxes show the cotangents as they are in the end, if they are to show them at all.
function settle() {
  scene.slots.forEach((slot, i) => { if (slot) slot.textContent = (now.settled || changed) && now.nodes[i].facts[fact.gradient] ? data.gradient + now.nodes[i].facts[fact.gradient] : ""; });
  for (const [box, place, element] of scene.within) {
    const words = now.settled || changed ? player.within(box, place, player.length) : "";
    element.textContent = words && data.gradient + words;
  }
}

const boxOf = (i) => scene.boxes[i];
const below = () => (playing ? $("player").offsetHeight + 20 : 0); // what covers the lower border and must not cover a box
const narrow = matchMedia("(max-width: 640px)");
function covered() {
  const panel = $("details").hidden ? 0 : 1, low = narrow.matches;
  return { below: Math.max(below(), panel && low ? $("details").offsetHeight + 16 : 0), right: panel && !low ? $("details").offsetWidth + 20 : 0 };
}
const beside = () => Math.max(below(), $("legend").offsetHeight + 20);

// The box of this view that stands for a member of the unfolded graph.
function owner(member) {
  if (member < 0 || member === undefined) return -1;
  return now.nodes.findIndex(({ members }) => {
    for (let k = 0; k < members.length; k += 2) if (members[k] <= member && member < members[k + 1]) return true;
    return false;
  });
}

// Phases and folded modules

function inCard() {
  const card = new Int32Array(now.nodes.length).fill(-1);
  now.clusters.forEach(([, parent, nodes], k) => {
    let top = -1;
    for (let a = k; a >= 0; a = now.clusters[a][1]) if (folded.has(a)) top = a;
    if (top >= 0) for (const i of nodes) card[i] = top;
  });
  return card;
}

function arrange() {
  const hidden = now.nodes.map((node) => off.has(node.phase)), card = inCard(), full = new Set();
  now.nodes.forEach((node, i) => {
    const element = scene.nodes[i];
    element.classList.toggle("gone", hidden[i] || card[i] >= 0);
    if (card[i] >= 0) element.setAttribute("data-in", card[i]); else element.removeAttribute("data-in");
    if (!hidden[i]) full.add(i);
  });
  now.edges.forEach(([source, target], j) => {
    const gone = hidden[source] || hidden[target] || (card[source] >= 0 && card[source] === card[target]);
    scene.edges[j].classList.toggle("gone", gone);
    scene.labels[j]?.classList.toggle("gone", gone || card[source] >= 0 || card[target] >= 0);
  });
  scene.bridges.replaceChildren(...(off.size ? bridges(inputs, hidden) : []).map(([source, target]) => {
    const gone = card[source] >= 0 && card[source] === card[target] ? " gone" : "";
    return shape("path", { class: `edge bridge ${now.nodes[source].phase}${gone}`, d: bridgePath(boxOf(source), boxOf(target)),
      "data-source": source, "data-target": target });
  }));
  const seen = now.clusters.map(() => 0);
  now.clusters.forEach(([, , nodes], k) => {
    const count = nodes.filter((i) => full.has(i)).length;
    for (let a = k; a >= 0; a = now.clusters[a][1]) seen[a] += count;
  });
  for (const cardElement of scene.cards) cardElement?.remove();
  scene.cards = now.clusters.map(([label, parent], k) => {
    let inside = false;
    for (let a = parent; a >= 0; a = now.clusters[a][1]) inside ||= folded.has(a);
    scene.frames[k]?.classList.toggle("gone", inside || folded.has(k) || !seen[k]);
    if (!folded.has(k) || inside || !seen[k]) return null;
    const element = makeCard(label, seen[k], frameBox(k), k);
    scene.over.append(element);
    return element;
  });
  rove();
}

const layout = () => now.layouts[playing || changed ? now.layouts.length - 1 : 0]; // the last has room for numbers
const frameBox = (k) => layout().frames[k];

function foldCluster(k, fold) {
  if (k < 0 || !scene.frames[k]) return;
  if (fold) folded.add(k); else folded.delete(k);
  arrange();
  say(`${now.clusters[k][0].slice(0, 80)} ${fold ? "folded" : "unfolded"}.`);
}

const clusterOf = (i) => now.clusters.findIndex(([, , nodes], k) => nodes.includes(i) && scene.frames[k]);

// What the reader must be able to see: its phase on, its module unfolded.
function reveal(i) {
  let changed = off.delete(now.nodes[i].phase);
  for (let a = now.clusters.findIndex(([, , nodes]) => nodes.includes(i)); a >= 0; a = now.clusters[a][1]) changed = folded.delete(a) || changed;
  if (changed) { arrange(); legend(); }
}

// Selection, focus, details

function elementOf(i) {
  const card = scene.nodes[i]?.getAttribute("data-in") ?? null;
  return card === null ? scene.nodes[i] : scene.cards[+card];
}

function rove() { // one box is in the tab order, the arrows do the rest
  scene.root.querySelector('[tabindex="0"]')?.setAttribute("tabindex", -1);
  let element = elementOf(focused);
  if (!element || element.classList.contains("gone")) {
    element = scene.root.querySelector(".node:not(.gone)");
    if (element) focused = +(element.dataset.node ?? now.clusters[+element.dataset.card][2][0] ?? focused);
  }
  element?.setAttribute("tabindex", 0);
}

function focus(element) {
  focused = element.dataset.node ? +element.dataset.node : firstIn(+element.dataset.card);
  if (held !== focused) held = -1;
  rove();
  element.focus({ preventScroll: true });
  camera.show(element.dataset.node ? boxOf(focused) : frameBox(+element.dataset.card), covered(), true);
}

function firstIn(k) { return now.nodes.findIndex((_, i) => scene.nodes[i].getAttribute("data-in") === String(k)); }

function placeOf(element) { return element.dataset.node ? boxOf(+element.dataset.node) : frameBox(+element.dataset.card); }

// The nearest element to the left, right, above or below, straight ahead rather than aside.
function neighbour(element, dx, dy) {
  const [ax, ay, aw, ah] = placeOf(element);
  let best = null, least = Infinity;
  for (const other of scene.root.querySelectorAll(".node:not(.gone)")) {
    if (other === element) continue;
    const [x, y, width, height] = placeOf(other), ux = x + width / 2 - ax - aw / 2, uy = y + height / 2 - ay - ah / 2;
    const ahead = ux * dx + uy * dy, aside = Math.abs(ux * dy) + Math.abs(uy * dx);
    if (ahead > 1 && ahead * 2 > aside && ahead + 2 * aside < least) { least = ahead + 2 * aside; best = other; }
  }
  return best;
}

function select(i) {
  for (const element of scene.root.querySelectorAll(".lit, .selected")) element.classList.remove("lit", "near", "selected");
  selected = held = i;
  scene.root.classList.toggle("dim", i >= 0);
  if (i < 0) { $("details").hidden = true; return; }
  focused = i;
  rove();
  const above = reach(i, inputs), under = reach(i, users), lit = new Set([...above, ...under, i]);
  for (const j of lit) scene.nodes[j].classList.add("lit");
  for (const j of [...inputs[i], ...users[i]]) scene.nodes[j].classList.add("near");
  for (const path of scene.root.querySelectorAll(".edge")) {
    const source = +path.dataset.source, target = +path.dataset.target;
    const on = (above.has(source) && (above.has(target) || target === i)) || (under.has(target) && (under.has(source) || source === i));
    path.classList.toggle("lit", on);
    path.classList.toggle("near", on && (source === i || target === i));
  }
  scene.nodes[i].classList.add("selected");
  details(i, above.size, under.size);
  const cover = covered(), whole = [0, 0, scene.width, scene.height];
  const fits = scene.width * camera.k < view.clientWidth - cover.right - 48 && scene.height * camera.k < view.clientHeight - cover.below - 48;
  camera.show(fits ? whole : boxOf(i), cover, true);
}

function facts(i) {
  const list = [], node = now.nodes[i], [cells, size] = cellsOf(node);
  const add = (name, words) => {
    const row = make("div");
    const told = make("dd", words, { dir: "auto" }), href = name === "source" && data.links[words];
    if (href) told.replaceChildren(make("a", words, { href, title: "Open in Visual Studio Code" }));
    row.append(make("dt", name), told);
    list.push(row);
  };
  node.facts.forEach((words, k) => { if (words && (data.facts[k] !== "name" || words !== node.label)) add(data.facts[k], words); });
  const each = size / cells.length;
  if (each > 1) add("strip", `${cells.length} cells, each the mean of ${each % 1 ? "about " : ""}${Math.round(each).toLocaleString("en")} numbers`);
  return list;
}

function details(i, above, under) {
  $("what").textContent = now.nodes[i].label;
  $("facts").replaceChildren(...facts(i));
  numberFields(i);
  const lists = [["inputs", inputs[i], above, "it depends on"], ["used by", users[i], under, "depend on it"]].map(([title, ids, all, words]) => {
    const box = make("div");
    box.append(make("h3", `${title}${all ? ` · ${all.toLocaleString("en")} ${words}` : ""}`));
    for (const j of ids.slice(0, 24)) {
      const button = make("button", now.nodes[j].label.slice(0, 120), { type: "button", class: `chip ${now.nodes[j].phase}`, dir: "auto" });
      button.addEventListener("click", () => go(j));
      box.append(button);
    }
    if (!ids.length) box.append(make("p", "none"));
    if (ids.length > 24) box.append(make("p", `and ${ids.length - 24} more`));
    return box;
  });
  $("links").replaceChildren(...lists);
  const actions = [], act = (words, what) => {
    const button = make("button", words, { type: "button" });
    button.addEventListener("click", what);
    actions.push(button);
  };
  if (finer(i) >= 0) act("Unfold", () => unfold(i));
  const k = clusterOf(i);
  if (k >= 0) act(`Fold ${now.clusters[k][0].slice(0, 40)}`, () => { foldCluster(k, true); close(); focus(scene.cards[k]); });
  act("Centre", () => camera.centre(boxOf(i), true, Math.max(camera.k, 0.8)));
  $("actions").replaceChildren(...actions);
  $("details").hidden = false;
  hideTip();
}

function go(i) { reveal(i); select(i); if (scene.nodes[i]) focus(scene.nodes[i]); }
function close() { select(-1); }

// A more detailed level in which the members of box i are boxes of their own; -1 if there is none.
function finer(i) {
  const count = [...membersOf(now.nodes[i])].length;
  return count > 1 && level > 0 ? level - 1 : -1;
}

function unfold(i) {
  const to = finer(i);
  if (to < 0) return;
  const members = new Set(membersOf(now.nodes[i]));
  open(to, { anchor: i });
  const inside = now.nodes.map((_, j) => j).filter((j) => membersOf(now.nodes[j]).next().value !== undefined && members.has(membersOf(now.nodes[j]).next().value));
  go(inside[inside.length - 1]);
}

// A card beside the box under the pointer, or in focus by the keyboard.
let tipFor = null;
function tip(element) {
  if (!element?.dataset.node || view.classList.contains("moving")) { hideTip(); return; }
  const i = +element.dataset.node;
  if (i === selected || tipFor === element) return;
  tipFor = element;
  const list = make("dl"), card = $("tip");
  list.append(...facts(i));
  card.replaceChildren(make("strong", now.nodes[i].label, { dir: "auto" }), list);
  card.hidden = false;
  const box = element.querySelector(".box").getBoundingClientRect(), wide = card.offsetWidth, high = card.offsetHeight;
  const left = box.right + 10 + wide < innerWidth ? box.right + 10 : box.left - 10 - wide > 0 ? box.left - 10 - wide : Math.max(8, (innerWidth - wide) / 2);
  card.style.left = `${left}px`;
  card.style.top = `${Math.max(8, Math.min(box.top, innerHeight - high - 8))}px`;
}
function hideTip() { $("tip").hidden = true; tipFor = null; }

// Search

const plain = (words) => words.toLowerCase().replace(/\s*[×,]\s*/g, "x").replace(/(\d)\s*x\s*(?=\d)/g, "$1x");

function textOf(node) {
  const known = ["name", "operation", "formula", "shape", "module"].map((name) => node.facts[fact[name]] || "");
  return [node.label, ...known].join("\n");
}

// What stands in the boxes of the most detailed level that this box is made of.
const finest = new Map();
function inside(node) {
  if (now === data.views[0]) return [];
  if (!finest.size) for (const part of data.views[0].nodes) for (const i of membersOf(part)) finest.set(i, part);
  return [...new Set([...membersOf(node)].map((i) => finest.get(i)))].filter(Boolean).map(textOf);
}

function search() {
  const query = plain($("query").value.replace(/^\((.*?),?\)$/, "$1").trim());
  for (const element of scene.root.querySelectorAll(".hit, .here")) element.classList.remove("hit", "here");
  hit = -1;
  hits = [];
  if (query) {
    hay ||= now.nodes.map((node) => plain([textOf(node), ...inside(node)].join("\n")));
    hay.forEach((words, i) => { if (words.includes(query)) hits.push(i); });
    for (const i of hits) scene.nodes[i].classList.add("hit");
  }
  scene.root.classList.toggle("searching", hits.length > 0);
  found();
}

function found() {
  $("found").textContent = !$("query").value ? "" : !hits.length ? "none" : hit < 0 ? String(hits.length) : `${hit + 1} of ${hits.length}`;
}

function step(by) {
  if (!hits.length) return;
  hit = hit < 0 ? (by > 0 ? 0 : hits.length - 1) : (hit + by + hits.length) % hits.length;
  const i = hits[hit];
  reveal(i);
  scene.root.querySelector(".here")?.classList.remove("here");
  scene.nodes[i].classList.add("here");
  focused = i;
  rove();
  camera.centre(boxOf(i), true, Math.max(camera.k, 0.7));
  found();
}

// Playback

function show(k) {
  player.show(Math.max(-player.before, Math.min(player.length, k)), scene);
  const at = player.at, i = player.current();
  for (const element of scene.root.querySelectorAll(".now, .flow, .fresh")) element.classList.remove("now", "flow", "fresh");
  if (i >= 0) {
    elementOf(i)?.classList.add("now");
    if (at > 0) {
      const reached = new Set(now.steps[at - 1][2].map(([j]) => j));
      now.edges.forEach(([source, target], j) => { if (target === i && reached.has(source)) scene.edges[j].classList.add("flow"); });
      for (const j of reached) scene.nodes[j].classList.add("fresh");
    }
    watch(i, at > 0 ? now.steps[at - 1][2].map(([j]) => j) : []);
  }
  scene.notes.replaceChildren(...player.slopes().map(([j, d]) => slopeNote(j, i, d)).filter(Boolean));
  $("step").value = at;
  const forth = player.before + at;
  $("step").setAttribute("aria-valuetext", at < 0 ? `forward, ${forth} of ${player.before}` : `step ${at} of ${player.length}`);
  $("count").textContent = at < 0 ? `→ ${forth} / ${player.before}` : `${at} / ${player.length}`;
  const quick = timer && pace() < 600 && at < player.length;
  $("story").setAttribute("aria-live", quick ? "off" : "polite");
  $("story").textContent = player.story() + (at === player.length ? " Done: every gradient is complete." : "");
}

// The local derivative, in the middle of the edge along which it multiplies.
function slopeNote(source, target, d) {
  const j = now.edges.findIndex(([a, b]) => a === source && b === target);
  if (j < 0 || scene.edges[j].classList.contains("gone")) return null;
  const path = scene.edges[j], { x, y } = path.getPointAtLength(path.getTotalLength() / 2);
  return text(x, y - 5, `× ${numberText(d)}`, "slope");
}

// Keep a box in sight, and what it hands on to, if there is space for all of them.
function watch(i, others) {
  const boxes = [i, ...others].map(boxOf), left = Math.min(...boxes.map(([x]) => x)), top = Math.min(...boxes.map(([, y]) => y));
  const right = Math.max(...boxes.map(([x, , width]) => x + width)), bottom = Math.max(...boxes.map(([, y, , height]) => y + height));
  const cover = { ...covered(), below: narrow.matches ? below() : beside() };
  const fits = (right - left) * camera.k < view.clientWidth - cover.right - 48 && (bottom - top) * camera.k < view.clientHeight - cover.below - 48;
  camera.show(fits ? [left, top, right - left, bottom - top] : boxOf(i), cover, true);
}

const pace = () => Math.max(30, Math.min(1100, 40000 / Math.max(player.length + player.before, 1))) / +$("speed").value;

function start() {
  if (player.at >= player.length || player.at === 0) show(-player.before);
  const tick = () => {
    show(player.at + 1);
    if (player.at >= player.length) stop(); else timer = setTimeout(tick, pace());
  };
  timer = setTimeout(tick, Math.min(pace(), 400));
  $("play").classList.add("on");
  $("play").setAttribute("aria-label", "Pause");
}

function stop() {
  clearTimeout(timer);
  timer = 0;
  $("play").classList.remove("on");
  $("play").setAttribute("aria-label", "Play");
}

function mode(on) {
  if (on === playing || !player.length) return;
  stop();
  close();
  if (on && innerWidth <= 1080) $("legend").open = false;
  open(level, { anchor: nearest(), mode: on });
  if (on && camera.k < 0.55) camera.centre(boxOf(player.current()), false, 0.85);
}

function nearest() { // the box in the middle of the window, to keep it there
  let best = 0, least = Infinity;
  scene.boxes.forEach((box, i) => {
    const [x, y] = camera.at(box), d = Math.hypot(x - view.clientWidth / 2, y - view.clientHeight / 2);
    if (d < least) { least = d; best = i; }
  });
  return best;
}

function by(k) { stop(); show(player.at + k); }

// Numbers that the reader changes

const leafKinds = new Set(["parameter", "input", "constant"]); // whose boxes may hold their transposes and entries too
// The operation or leaf whose value a box shows.
const lastOf = ({ kind, members }) => leafKinds.has(kind) ? members[0] : members[members.length - 1] - 1;

// The ref and form of the value or the gradient of a box; a folded box has none.
const refOf = (node, kind) => (node.kind === "fold" ? undefined : data.program[kind][lastOf(node)]);

// The texts of this view as the numbers are now.
function rewrite() {
  for (const node of now.nodes) {
    for (const [kind, name] of [["values", "value"], ["gradients", "gradient"]]) {
      const [ref, form] = refOf(node, kind) ?? [];
      if (ref !== undefined) node.facts[fact[name]] = arrayText(arrays[ref], form);
    }
  }
  const later = new Set(); // a parameter that is used again has its whole gradient only in the last step
  for (const [, , , within] of now.steps.toReversed()) {
    for (const told of within) {
      const [ref, form] = data.program.gradients[told[3]] ?? [];
      if (ref !== undefined) told[2] = later.has(`${told[0]} ${told[1]}`) ? "…" : arrayText(arrays[ref], form);
      later.add(`${told[0]} ${told[1]}`);
    }
  }
  now.steps.forEach((step, k) => {
    const [g, ways] = now.refs[k] ?? [-1, []], form = (i) => refOf(now.nodes[i], "gradients")?.[1];
    if (arrays[g] && form(step[0]) !== undefined) step[1] = arrayText(arrays[g], form(step[0]));
    step[2].forEach((pair, p) => { if (ways[p]?.[0] >= 0 && form(pair[0]) !== undefined) pair[1] = arrayText(arrays[ways[p][0]], form(pair[0])); });
  });
}

function values() {
  scene.values.forEach((element, i) => { if (element) element.textContent = `= ${now.nodes[i].facts[fact.value]}`; });
  now.nodes.forEach((node, i) => { // in full, for scripts and tests
    for (const [kind, name] of [["values", "value"], ["gradients", "gradient"]]) {
      const [ref] = refOf(node, kind) ?? [];
      if (ref !== undefined && arrays[ref].length <= CELLS) scene.nodes[i].dataset[name] = JSON.stringify(arrays[ref]);
    }
  });
}

function set(member, k, x) {
  if (!Number.isFinite(x)) return;
  calculator.change(data.program.values[member][0], k, x);
  const first = !changed, onBox = view.contains(document.activeElement);
  changed = true;
  rewrite();
  hideTip();
  if (first && now.layouts.length > 1 && !playing) {
    open(level, { anchor: held });
    if (onBox) elementOf(focused)?.focus({ preventScroll: true });
  }
  player.reset();
  values();
  strips();
  heat();
  if (playing) show(player.at); else settle();
  if (selected >= 0) $("facts").replaceChildren(...facts(selected));
  if ($("numbers").dataset.member === String(member)) {
    for (const input of $("numbers").children[k]?.children ?? []) if (input !== document.activeElement) input.value = x;
  }
}

// The member of a box whose one number can be changed where it stands; -1 if there is none.
function scalarLeaf(i) {
  const node = now.nodes[i], member = node && leafKinds.has(node.kind) ? lastOf(node) : -1;
  return leaves.has(member) && arrays[data.program.values[member][0]].length === 1 ? member : -1;
}
const numberOf = (member) => arrays[data.program.values[member][0]][0];

function handles() { scene.values.forEach((element, i) => { if (scalarLeaf(i) >= 0) element?.classList.add("handle-number"); }); }

// A hundredth of the number's power of ten: what a pixel or a key changes it by.
const stepOf = (x) => 10 ** Math.max(0, Math.floor(Math.log10(Math.abs(x) || 1))) / 100;
const moved = (x, by) => +(x + by).toPrecision(12);

view.addEventListener("pointerdown", (event) => {
  const number = event.button ? null : event.target.closest(".handle-number");
  gripped = !!number;
  if (!number) return;
  const element = number.closest(".node"), i = +element.dataset.node, member = scalarLeaf(i);
  event.stopPropagation(); // the stage stays where it is
  event.preventDefault();
  focus(element);
  held = i;
  grip = { member, from: numberOf(member), x: event.clientX, still: true };
  view.setPointerCapture(event.pointerId);
}, true);
view.addEventListener("pointermove", (event) => {
  const by = grip && Math.round(event.clientX - grip.x);
  if (!grip || (grip.still && Math.abs(by) < 3)) return;
  grip.still = false;
  set(grip.member, 0, moved(grip.from, by * stepOf(grip.from)));
}, true);
for (const end of ["pointerup", "pointercancel"]) {
  view.addEventListener(end, (event) => {
    if (grip?.still && event.type === "pointerup") select(held);
    grip = null;
  }, true);
}

function nudge(i, by) {
  const member = scalarLeaf(i), x = numberOf(member);
  set(member, 0, moved(x, by * stepOf(x)));
  say(`${now.nodes[i].label.slice(0, 80)} = ${numberText(numberOf(member))}`);
}

// For each number of a leaf a field to type in and one to drag.
function numberFields(i) {
  const member = lastOf(now.nodes[i]), box = $("numbers");
  if (box.dataset.member === String(member)) return;
  box.dataset.member = member;
  box.replaceChildren();
  if (now.nodes[i].kind !== "parameter" && now.nodes[i].kind !== "input") return;
  if (!leaves.has(member)) {
    if (data.program.why && now.nodes[i].kind === "parameter") box.append(make("p", data.program.why));
    return;
  }
  const array = arrays[data.program.values[member][0]];
  array.forEach((x, k) => {
    const half = Math.max(2, 2 * Math.abs(x)), name = array.length > 1 ? `number ${k} of ${now.nodes[i].label}` : now.nodes[i].label;
    const field = make("input", undefined, { type: "number", step: "any", "aria-label": `Value of ${name}` });
    const slider = make("input", undefined, { type: "range", min: x - half, max: x + half, step: half / 200, "aria-label": `Drag ${name}` });
    field.value = x;
    slider.value = x;
    field.addEventListener("input", () => { if (field.value !== "") set(member, k, +field.value); });
    slider.addEventListener("input", () => set(member, k, +slider.value));
    const row = make("div");
    row.append(field, slider);
    box.append(row);
  });
}

// A tensor as a strip along the lower border of its box: a cell for each number, or for the mean of some. Where the page has no
// numbers, each cell is a letter, and "j" is 0.
const CELLS = 32;
function cellsOf(node) { // -> [cells, numbers]
  const [ref, form] = refOf(node, "values") ?? [], array = arrays[ref];
  if (!array || array.length < 2 || form > 2) {
    const [letters, size] = refOf(node, "strips") ?? ["", 0];
    return [Array.from(letters, (letter) => 106 - letter.charCodeAt(0)), size];
  }
  const count = Math.min(array.length, CELLS), at = (k) => Math.floor(k * array.length / count);
  return [Array.from({ length: count }, (_, k) => sum(array.slice(at(k), at(k + 1))) / (at(k + 1) - at(k))), array.length];
}

function strips() {
  for (const strip of scene.root.querySelectorAll(".strip")) strip.remove();
  now.nodes.forEach((node, i) => {
    const [cells] = cellsOf(node), [x, y, width, height] = boxOf(i), wide = (width - 20) / cells.length, most = Math.max(...cells.map(Math.abs)) || 1;
    if (!cells.length) return;
    scene.nodes[i].append(shape("g", { class: "strip", "aria-hidden": "true" }, ...cells.map((mean, k) => shape("rect", {
      x: x + 10 + k * wide, y: y + height - 4.5, width: wide, height: 3,
      class: mean < 0 ? "less" : "more", "fill-opacity": Math.min(1, Math.abs(mean) / most).toFixed(3) }))));
  });
}

// The largest gradient in a box, read from its text, as a colour on a scale of powers of ten: a gradient that vanishes is seen.
const sizeOf = (words) => Math.max(...(words.split(", mean")[0].match(/-?(\d[\d.]*(e[+-]\d+)?|inf)/g) || []).map((x) => Math.abs(x.includes("inf") ? Infinity : +x)), -1);
function heat() {
  const sizes = now.nodes.map((node) => sizeOf(node.facts[fact.gradient] || "")), known = sizes.filter((x) => x > 0 && x < Infinity);
  const top = Math.log10(Math.max(...known, 1e-300)), low = Math.min(Math.log10(Math.min(...known, 1e300)), top - 3);
  scene.root.classList.toggle("heated", heated);
  $("heat").hidden = !sizes.some((x) => x >= 0);
  $("heat").setAttribute("aria-pressed", heated);
  $("scale").textContent = heated && known.length ? `${numberText(10 ** low)} … ${numberText(10 ** top)}, pale to strong` : "";
  sizes.forEach((x, i) => {
    const part = x > 0 ? (Math.log10(Math.min(x, 10 ** top)) - low) / (top - low || 1) : 0;
    scene.nodes[i].classList.toggle("hot", heated && x >= 0);
    scene.nodes[i].classList.toggle("cold", heated && x === 0);
    scene.nodes[i].style.setProperty("--heat", `${(6 + 39 * part).toFixed(1)}%`);
  });
}

// Saving: the picture with its colours written out, so that it needs no style.

const PAINT = ["fill", "fill-opacity", "stroke", "stroke-opacity", "stroke-width", "stroke-dasharray", "font-family", "font-size", "font-weight", "font-style",
  "text-anchor", "paint-order", "marker-end", "marker-start"];
function pictureText() {
  const copy = scene.root.cloneNode(true), from = scene.root.querySelectorAll("*"), to = copy.querySelectorAll("*");
  from.forEach((element, k) => {
    const style = getComputedStyle(element);
    if (style.display === "none") { to[k].setAttribute("display", "none"); return; }
    for (const name of PAINT) {
      const words = style.getPropertyValue(name).replaceAll('"', "'");
      if (words && words !== "none" || name === "fill") to[k].setAttribute(name, words.replace(/url\('.*?#/g, "url('#"));
    }
    to[k].removeAttribute("class");
  });
  for (const element of copy.querySelectorAll("[display=none]")) element.remove();
  copy.removeAttribute("class");
  copy.setAttribute("xmlns", SVG);
  copy.prepend(frameOf([0, 0, scene.width, scene.height], { fill: getComputedStyle(document.body).backgroundColor }));
  return new XMLSerializer().serializeToString(copy);
}

function save(blob, suffix) {
  const link = make("a", undefined, { href: URL.createObjectURL(blob), download: `${(data.title || "graph").replace(/[^\w-]+/g, "_").slice(0, 60)}.${suffix}` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function savePng() {
  const picture = new Image(), scale = Math.min(2, 8000 / Math.max(scene.width, scene.height));
  picture.onload = () => {
    const canvas = make("canvas", undefined, { width: Math.ceil(scene.width * scale), height: Math.ceil(scene.height * scale) });
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    canvas.toBlob((blob) => save(blob, "png"));
  };
  picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(pictureText())}`;
}

// The whole graph in small, with a frame around what is seen, while that is not all

const MAP = [150, 104]; // pixels
const mapScale = () => Math.min(MAP[0] / scene.width, MAP[1] / scene.height);
function makeMinimap() {
  const k = mapScale(), least = 1.5 / k, d = scene.boxes.map(([x, y, w, h]) => `M${x} ${y}h${Math.max(w, least)}v${Math.max(h, least)}h${-Math.max(w, least)}z`).join("");
  $("minimap").replaceChildren(shape("svg", { width: scene.width * k, height: scene.height * k, viewBox: `0 0 ${scene.width} ${scene.height}` },
    shape("path", { d })), $("seen"));
}
function moveMinimap() {
  const k = mapScale() / camera.k, all = scene.width * camera.k <= view.clientWidth && scene.height * camera.k <= view.clientHeight;
  $("minimap").hidden = all;
  if (all) return;
  $("seen").style.transform = `translate(${-camera.x * k}px, ${-camera.y * k}px)`;
  $("seen").style.width = `${view.clientWidth * k}px`;
  $("seen").style.height = `${view.clientHeight * k}px`;
}
function lookAt(event) {
  if (event.type === "pointermove" && !event.buttons) return;
  const area = $("minimap").getBoundingClientRect(), k = mapScale();
  camera.centre([(event.clientX - area.left) / k, (event.clientY - area.top) / k, 0, 0]);
}
$("minimap").addEventListener("pointerdown", lookAt);
$("minimap").addEventListener("pointermove", lookAt);

// The page around it

function say(words) { $("said").textContent = words; } // to those who listen

function scaled(k) {
  if (!scene) return;
  moveMinimap();
  scene.root.classList.toggle("far", k < 0.42);
  scene.root.classList.toggle("farther", k < 0.2);
  hideTip();
}

function legend() {
  const present = Object.keys(data.phases).filter((phase) => data.views.some(({ nodes }) => nodes.some((node) => node.phase === phase && (node.kind === "op" || node.kind === "fold"))));
  $("phases").replaceChildren(...present.map((phase) => {
    const button = make("button", undefined, { type: "button", class: `phase ${phase}`, "aria-pressed": !off.has(phase) });
    const [name, ...meaning] = data.phases[phase].split(": ");
    button.append(make("span", MARKS[phase] || "", { class: "swatch", "aria-hidden": "true" }), make("b", name), make("span", meaning.join(": ")));
    button.addEventListener("click", () => toggle(phase));
    return button;
  }));
}

function toggle(phase) {
  if (!off.delete(phase)) off.add(phase);
  document.querySelector(`.phase.${phase}`).setAttribute("aria-pressed", !off.has(phase));
  arrange();
  if (selected >= 0) select(off.has(now.nodes[selected].phase) ? -1 : selected);
}

function kinds() {
  const words = { parameter: "parameter", input: "input", constant: "constant", fold: "several operations as one" };
  const present = Object.keys(words).filter((kind) => data.views.some(({ nodes }) => nodes.some((node) => node.kind === kind)));
  $("kinds").replaceChildren(...present.map((kind) => {
    const item = make("li");
    item.append(make("span", undefined, { class: `swatch ${kind} forward`, "aria-hidden": "true" }), make("span", words[kind]));
    return item;
  }));
  $("notes").replaceChildren(...data.notes.map((note) => make("p", note, { dir: "auto" })));
}

function theme() {
  const dark = getComputedStyle(root).getPropertyValue("--scheme").trim() === "dark";
  root.dataset.theme = dark ? "light" : "dark";
}

function levels() {
  if (data.views.length < 2) { $("levels").hidden = true; return; }
  data.views.forEach(({ name, nodes }, k) => {
    const radio = make("button", name, { type: "button", role: "radio", "data-level": k, title: `${nodes.length.toLocaleString("en")} boxes` });
    radio.addEventListener("click", () => change(k));
    $("levels").append(radio);
  });
  $("levels").addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    change((level + by + data.views.length) % data.views.length);
    $("levels").children[level].focus();
  });
}

function change(k) {
  if (k === level || !data.views[k]) return;
  open(k, { anchor: selected >= 0 ? selected : nearest() });
  if (camera.k * scene.width < view.clientWidth * 0.5 && camera.k * scene.height < view.clientHeight * 0.5) camera.fit(true, beside());
}

function press(id, what) { $(id).addEventListener("click", what); }

press("closer", () => camera.zoom(1.3, undefined, undefined, true));
press("farther", () => camera.zoom(1 / 1.3, undefined, undefined, true));
press("fit", () => camera.fit(true, beside()));
press("theme", theme);
press("save-svg", () => save(new Blob([pictureText()], { type: "image/svg+xml" }), "svg"));
press("save-png", savePng);
press("heat", () => { heated = !heated; heat(); });
press("help", () => $("keys").showModal());
press("keys-close", () => $("keys").close());
press("close", () => { const i = selected; close(); if (i >= 0) focus(elementOf(i)); });
press("previous", () => step(-1));
press("next", () => step(1));
press("play-mode", () => mode(!playing));
press("play", () => (timer ? stop() : start()));
press("first", () => { stop(); show(-player.before); });
press("back", () => by(-1));
press("forth", () => by(1));
$("step").addEventListener("input", () => { stop(); show(+$("step").value); });
$("query").addEventListener("input", search);
$("query").addEventListener("keydown", (event) => {
  if (event.key === "Enter") { event.preventDefault(); step(event.shiftKey ? -1 : 1); }
  if (event.key === "Escape") { $("query").value = ""; search(); elementOf(focused)?.focus({ preventScroll: true }); }
});

view.addEventListener("click", (event) => {
  if (gripped || camera.dragged()) return;
  const handle = event.target.closest(".handle"), node = event.target.closest(".node");
  if (handle) foldCluster(+handle.parentNode.dataset.cluster, true);
  else if (!node) close();
  else if (node.dataset.card) foldCluster(+node.dataset.card, false);
  else select(+node.dataset.node);
});
view.addEventListener("dblclick", (event) => {
  const node = event.target.closest(".node[data-node]");
  if (node) unfold(+node.dataset.node);
});
view.addEventListener("pointerover", (event) => { if (event.pointerType === "mouse") tip(event.target.closest(".node")); });
view.addEventListener("pointerleave", hideTip);
view.addEventListener("focusin", (event) => { if (event.target.matches(":focus-visible")) tip(event.target); });
view.addEventListener("focusout", hideTip);
view.addEventListener("scroll", () => { view.scrollLeft = view.scrollTop = 0; });

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("keys").open || event.target.matches("input, select, textarea")) return;
  const element = view.contains(event.target) && event.target.closest(".node"), arrow = ARROWS[event.key];
  const does = {
    "+": () => camera.zoom(1.3), "=": () => camera.zoom(1.3), "-": () => camera.zoom(1 / 1.3), 0: () => camera.fit(true, beside()),
    "/": () => $("query").focus(), g: () => $("heat").click(), n: () => step(1), N: () => step(-1), t: theme, "?": () => $("keys").showModal(),
    p: () => mode(!playing), "[": () => change(level + 1), "]": () => change(level - 1), Escape: () => (selected >= 0 ? $("close").click() : mode(false)),
  };
  if (playing) {
    does[" "] = () => (timer ? stop() : start());
    Object.assign(does, { ArrowRight: () => by(1), ArrowLeft: () => by(-1), Home: () => { stop(); show(-player.before); }, End: () => { stop(); show(player.length); } });
    if (event.key === " " && event.target.matches("button, summary")) delete does[" "];
  }
  if (element) {
    const press = () => {
      if (element.dataset.card) { const k = +element.dataset.card, i = firstIn(k); foldCluster(k, false); focus(scene.nodes[i]); }
      else select(+element.dataset.node);
    };
    Object.assign(does, { Enter: press, " ": does[" "] || press });
    does.f = () => {
      if (element.dataset.card) { press(); return; }
      const k = clusterOf(+element.dataset.node);
      if (k >= 0) { foldCluster(k, true); focus(scene.cards[k]); }
    };
  }
  if (arrow && !playing && !event.shiftKey && element && held === +element.dataset.node && scalarLeaf(held) >= 0 && arrow[0]) {
    does[event.key] = () => nudge(held, arrow[0]);
  } else if (arrow && event.shiftKey) does[event.key] = () => camera.pan(-arrow[0] * 80, -arrow[1] * 80, true);
  else if (arrow && element && !does[event.key]) {
    does[event.key] = () => {
      const other = neighbour(element, ...arrow);
      if (other) focus(other);
    };
  } else if (arrow && !does[event.key] && event.target === document.body) does[event.key] = () => camera.pan(-arrow[0] * 80, -arrow[1] * 80, true);
  if (!does[event.key]) return;
  event.preventDefault();
  does[event.key]();
});

document.title = data.title ? `${data.title.slice(0, 200)} – minigrad` : "minigrad";
$("title").textContent = data.title || "Computation graph";
if (data.theme) root.dataset.theme = data.theme;
if (innerWidth <= 640) $("legend").open = false;
levels();
legend();
kinds();
open(data.start, { first: true });
let unseen = !view.clientWidth; // opened in a frame without a size: the first look is taken when it gets one
new ResizeObserver(() => {
  hideTip();
  if (unseen && view.clientWidth) { unseen = false; camera.open(beside()); }
}).observe(view);
