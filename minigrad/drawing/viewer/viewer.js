// The page: what is chosen (view, phases, folded modules, a box, a search), and how the elements follow from it.

const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const view = $("view"), stage = $("stage"), root = document.documentElement;
const camera = makeCamera(view, stage, scaled);
const fact = Object.fromEntries(data.facts.map((name, k) => [name, k]));
const calm = matchMedia("(prefers-reduced-motion: reduce)");

let level = 0, now, scene, player; // the level of folding; its view; that as elements; its backward pass
let inputs, users, hay; // by box of this view: what goes in, who uses it, what a search looks through
const off = new Set(); // phases that are not shown
let folded = new Set(); // clusters of this view drawn as a card
let playing = false, timer = 0;
let selected = -1, focused = 0, hits = [], hit = -1;

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
    player = makePlayer(now, data.gradient);
    folded = new Set();
    hay = null;
    selected = hit = -1;
    hits = [];
    focused = Math.max(0, owner(member));
    stop();
  }
  playing = mode && player.length > 0;
  scene = makeScene(now, now.layouts[playing ? now.layouts.length - 1 : 0], data);
  player.reset();
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
  scene.slots.forEach((slot, i) => { if (slot) slot.textContent = now.settled ? data.gradient + now.nodes[i].facts[fact.gradient] : ""; });
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

const frameBox = (k) => {
  const layout = now.layouts[playing ? now.layouts.length - 1 : 0];
  return layout.frames[k];
};

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
  selected = i;
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
  camera.show(boxOf(i), covered(), true);
}

function facts(i) {
  const list = [], node = now.nodes[i];
  node.facts.forEach((words, k) => {
    if (!words || (data.facts[k] === "name" && words === node.label)) return;
    const row = make("div");
    row.append(make("dt", data.facts[k]), make("dd", words, { dir: "auto" }));
    list.push(row);
  });
  return list;
}

function details(i, above, under) {
  $("what").textContent = now.nodes[i].label;
  $("facts").replaceChildren(...facts(i));
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
  player.show(Math.max(0, Math.min(player.length, k)), scene);
  const at = player.at, i = player.current();
  for (const element of scene.root.querySelectorAll(".now, .flow, .fresh")) element.classList.remove("now", "flow", "fresh");
  if (i >= 0) {
    elementOf(i)?.classList.add("now");
    if (at) {
      const reached = new Set(now.steps[at - 1][2].map(([j]) => j));
      now.edges.forEach(([source, target], j) => { if (target === i && reached.has(source)) scene.edges[j].classList.add("flow"); });
      for (const j of reached) scene.nodes[j].classList.add("fresh");
    }
    watch(i, at ? now.steps[at - 1][2].map(([j]) => j) : []);
  }
  $("step").value = at;
  $("step").setAttribute("aria-valuetext", `step ${at} of ${player.length}`);
  $("count").textContent = `${at} / ${player.length}`;
  const quick = timer && pace() < 600 && at < player.length;
  $("story").setAttribute("aria-live", quick ? "off" : "polite");
  $("story").textContent = player.story() + (at === player.length ? " Done: every gradient is complete." : "");
}

// Keep a box in sight, and what it hands on to, if there is space for all of them.
function watch(i, others) {
  const boxes = [i, ...others].map(boxOf), left = Math.min(...boxes.map(([x]) => x)), top = Math.min(...boxes.map(([, y]) => y));
  const right = Math.max(...boxes.map(([x, , width]) => x + width)), bottom = Math.max(...boxes.map(([, y, , height]) => y + height));
  const cover = { ...covered(), below: narrow.matches ? below() : beside() };
  const fits = (right - left) * camera.k < view.clientWidth - cover.right - 48 && (bottom - top) * camera.k < view.clientHeight - cover.below - 48;
  camera.show(fits ? [left, top, right - left, bottom - top] : boxOf(i), cover, true);
}

const pace = () => Math.max(30, Math.min(1100, 40000 / Math.max(player.length, 1))) / +$("speed").value;

function start() {
  if (player.at >= player.length) show(0);
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
  if (!on) select(-1); else close();
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

// The page around it

function say(words) { $("said").textContent = words; } // to those who listen

function scaled(k) {
  if (!scene) return;
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
press("help", () => $("keys").showModal());
press("keys-close", () => $("keys").close());
press("close", () => { const i = selected; close(); if (i >= 0) focus(elementOf(i)); });
press("previous", () => step(-1));
press("next", () => step(1));
press("play-mode", () => mode(!playing));
press("play", () => (timer ? stop() : start()));
press("first", () => { stop(); show(0); });
press("back", () => by(-1));
press("forth", () => by(1));
$("step").addEventListener("input", () => { stop(); show(+$("step").value); });
$("query").addEventListener("input", search);
$("query").addEventListener("keydown", (event) => {
  if (event.key === "Enter") { event.preventDefault(); step(event.shiftKey ? -1 : 1); }
  if (event.key === "Escape") { $("query").value = ""; search(); elementOf(focused)?.focus({ preventScroll: true }); }
});

view.addEventListener("click", (event) => {
  if (camera.dragged()) return;
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
    "/": () => $("query").focus(), n: () => step(1), N: () => step(-1), t: theme, "?": () => $("keys").showModal(),
    p: () => mode(!playing), "[": () => change(level + 1), "]": () => change(level - 1), Escape: () => (selected >= 0 ? $("close").click() : mode(false)),
  };
  if (playing) {
    does[" "] = () => (timer ? stop() : start());
    Object.assign(does, { ArrowRight: () => by(1), ArrowLeft: () => by(-1), Home: () => { stop(); show(0); }, End: () => { stop(); show(player.length); } });
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
  if (arrow && event.shiftKey) does[event.key] = () => camera.pan(-arrow[0] * 80, -arrow[1] * 80, true);
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
