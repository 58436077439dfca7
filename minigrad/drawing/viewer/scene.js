// One view in one layout as SVG. Every text is set as text content; colours come from the style by the classes given here.
// The elements have no transform, opacity or filter of their own: a browser keeps a record for each that has, and goes through
// all of them whenever the stage moves.

const SVG = "http://www.w3.org/2000/svg";
const MARKS = { backward: "∂", tangent: "ẋ", update: "Δ" };

function shape(name, attributes, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const key in attributes) element.setAttribute(key, attributes[key]);
  element.append(...children);
  return element;
}

function text(x, y, words, className) {
  return shape("text", className ? { x, y, class: className } : { x, y }, words);
}

function frameOf([x, y, width, height], more) {
  return shape("rect", { x, y, width, height, ...more });
}

// -> {root, width, height, boxes, nodes, slots, within, edges, labels, frames, cards, bridges}: elements by id or position.
function makeScene(view, layout, data) {
  const { size, leading, pad } = data;
  const scene = { width: layout.width, height: layout.height, boxes: layout.boxes, slots: [], values: [], within: [], cards: [], around: [] };
  const arrows = shape("defs", {}, ...Object.keys(data.phases).map((phase) => shape(
    "marker", { id: `arrow-${phase}`, class: `arrow ${phase}`, viewBox: "0 0 8 8", refX: 7, refY: 4,
      markerUnits: "userSpaceOnUse", markerWidth: 8.5, markerHeight: 8.5, orient: "auto-start-reverse" }, shape("path", { d: "M0 .8 7.5 4 0 7.2z" }))));

  scene.frames = view.clusters.map(([label], k) => {
    const frame = layout.frames[k];
    if (!frame) return null;
    const [x, y, width] = frame;
    const room = Math.floor((width - 34) / 6.6), short = label.length > room ? label.slice(0, Math.max(room - 1, 1)) + "…" : label;
    const handle = shape("g", { class: "handle", role: "button", "aria-label": `Fold ${label.slice(0, 80)}` },
      frameOf([x + 4, y + 3, Math.min(width - 8, 34 + short.length * 6.8), 18], { rx: 5 }),
      shape("path", { d: `M${x + 11} ${y + 10}l4 4 4-4` }), text(x + 25, y + 16, short));
    return shape("g", { class: "frame", "data-cluster": k }, frameOf(frame, { rx: 10 }), handle);
  });

  scene.edges = view.edges.map(([source, target], j) => shape("path", {
    class: `edge ${view.nodes[source].phase}`, d: layout.paths[j], "data-source": source, "data-target": target }));
  scene.labels = layout.labels.map((label) => (label ? text(label[0], label[1] + 3.5, label[2], "label") : null));

  scene.nodes = view.nodes.map((node, i) => {
    const [x, y, width, height] = layout.boxes[i], slot = layout.slots.length ? layout.slots[i] : -1;
    const leaf = node.kind === "parameter" || node.kind === "input";
    const round = leaf ? (height < 44 ? height / 2 : 16) : 6;
    const group = shape("g", {
      class: `node ${node.phase} ${node.kind}${node.output ? " output" : ""}`, "data-node": i, role: "button", tabindex: -1,
      "aria-label": layout.lines[i].join(", ") });
    if (node.kind === "fold") group.append(frameOf([x + 4, y + 4, width, height], { rx: round, class: "behind" }));
    group.append(frameOf([x, y, width, height], { rx: round, class: "box" }));
    if (!leaf && MARKS[node.phase]) group.append(text(x + 3.5, y + 10, MARKS[node.phase], "mark"));
    const written = layout.lines[i].map((line, row) => text(
      x + width / 2, y + pad + leading * (row + 0.5) + size * 0.36, line, row === 0 ? "name" : row === slot ? "slot" : line.startsWith("= ") ? "line value" : "line"));
    scene.values.push(written.find((element) => element.classList.contains("value")) ?? null);
    for (const [box, place, line] of layout.within) if (box === i) scene.within.push([box, place, written[line]]);
    scene.slots.push(slot < 0 ? null : written[slot]);
    group.append(...written);
    return group;
  });

  scene.bridges = shape("g", { class: "bridges" });
  scene.over = shape("g", {});
  scene.notes = shape("g", {}); // the local derivatives of one step
  scene.root = shape("svg", { width: layout.width, height: layout.height, viewBox: `0 0 ${layout.width} ${layout.height}`, role: "group",
    "aria-label": `Computation graph of ${view.nodes.length} boxes. Arrow keys go from box to box.` },
  arrows, ...scene.frames.filter(Boolean), shape("g", {}, ...scene.edges), scene.bridges,
  shape("g", {}, ...scene.labels.filter(Boolean)), shape("g", {}, ...scene.nodes), scene.notes, scene.over);
  return scene;
}

// A curve for an edge that no layout has routed: from border to border, through whatever lies between.
function bridgePath([ax, ay, aw, ah], [bx, by, bw, bh]) {
  const x = ax + aw / 2, y = ay + ah / 2, dx = bx + bw / 2 - x, dy = by + bh / 2 - y;
  if (Math.abs(dy) * 2 > Math.abs(dx)) {
    const down = Math.sign(dy) || 1, from = y + down * ah / 2, to = y + dy - down * bh / 2, half = (to - from) / 2;
    return `M${x} ${from}C${x} ${from + half} ${x + dx} ${to - half} ${x + dx} ${to}`;
  }
  const right = Math.sign(dx) || 1, from = x + right * aw / 2, to = x + dx - right * bw / 2, half = (to - from) / 2;
  return `M${from} ${y}C${from + half} ${y} ${to - half} ${y + dy} ${to} ${y + dy}`;
}

// An opaque card over a frame: the module as one box. Edges from outside end at its border.
function makeCard(label, count, frame, k) {
  const [x, y, width, height] = frame, letters = Math.max(6, Math.min(label.length, 40));
  const font = Math.max(11, Math.min(40, height / 4, (width - 16) / (letters * 0.66)));
  const room = Math.max(2, Math.floor((width - 12) / (font * 0.64)));
  return shape("g", { class: "node card-fold", role: "button", tabindex: -1, "data-card": k,
    "aria-label": `${label.slice(0, 80)}, ${count} boxes folded. Enter unfolds.` },
  frameOf(frame, { rx: 10, class: "box" }),
  shape("text", { x: x + width / 2, y: y + height / 2, "font-size": font, class: "name" }, label.length > room ? label.slice(0, room - 1) + "…" : label),
  shape("text", { x: x + width / 2, y: y + height / 2 + font * 0.4 + 11, "font-size": 11, class: "line" }, `${count} boxes folded`));
}
