// Who takes part, and the numbers of the one that is chosen.

const MEMORY = ["beta", "betas", "alpha", "momentum"]; // numbers in [0, 1): their slider is even in the length of the memory, 1/(1 − β)
const SHORT = 8; // characters of a number that stands beside its slider, and not above it; the slider writes no more
const CHOICES = {
  modification: ["abs", "shift", "clip", "pinv", "none", "trust"],
  line_search: ["armijo", null],
  forcing: ["superlinear", "quadratic"],
};

function showWalkers() {
  const list = $("walkers"), rows = lab.walkers.map((walker, k) => {
    const row = make("li"), pick = make("button", undefined, { type: "button", class: "walker", "aria-pressed": k === lab.chosen });
    const mark = make("span", GLYPHS[walker.shape], { class: "glyph", "aria-hidden": "true" });
    mark.style.color = colourOf(walker);
    pick.append(mark, make("span", walker.label, { class: "name" }), make("span", "", { class: "number arrived" }), make("span", "", { class: "number loss" }));
    pick.addEventListener("click", () => choose(k));
    row.append(pick);
    if (lab.walkers.length > 1) {
      const drop = make("button", "×", { type: "button", class: "drop", "aria-label": `Take ${walker.label} out` });
      drop.addEventListener("click", () => remove(k));
      row.append(drop);
    }
    return row;
  });
  const held = document.activeElement?.closest?.("#walkers") ? lab.chosen : -1;
  list.replaceChildren(...rows);
  if (held >= 0) rows[held].firstChild.focus();
  $("add").hidden = data.methods.length < 2 || lab.walkers.length >= 6;
  showSliders();
}

// The names anew: they tell walkers of one kind apart by their numbers.
const showLabels = () => [...$("walkers").children].forEach((row, k) => {
  const { label } = lab.walkers[k];
  row.querySelector(".name").textContent = label;
  row.querySelector(".drop")?.setAttribute("aria-label", `Take ${label} out`);
});

function choose(k) {
  lab.chosen = k;
  showWalkers();
  render();
}

function remove(k) {
  lab.walkers.splice(k, 1);
  lab.chosen = Math.min(lab.chosen, lab.walkers.length - 1);
  showWalkers();
  render();
}

function listenToAdd() {
  const add = $("add");
  const offered = make("optgroup", undefined, { label: "those that the page was made with" });
  offered.append(...data.methods.map(({ label }, k) => make("option", label, { value: k })));
  add.replaceChildren(make("option", "Add an optimizer", { value: "" }), offered);
  add.addEventListener("change", () => {
    if (add.value === "") return;
    const k = +add.value;
    add.value = "";
    if (!runsHere(k)) { $("leader").textContent = `${data.methods[k].label} takes at most ${DENSE_LIMIT} unknowns in a page, and this loss has ${problemNow().n}.`; return; }
    const walker = makeWalker(k);
    lab.walkers.push(walker);
    walker.runner = makeRunnerFor(walker);
    lab.chosen = lab.walkers.length - 1;
    showWalkers();
    show(lab.t);
  });
}

// Sliders

function showSliders() {
  const walker = chosen(), { numbers, settings, kind } = data.methods[walker.k], rows = [];
  if (kind === "first") for (const name in numbers) {
    const now = { ...numbers, ...walker.changes }[name];
    if (Array.isArray(now)) now.forEach((x, i) => rows.push(numberRow(`${name}_${i + 1}`, name, x, numbers[name][i], (y) => change(name, methodFor(walker).numbers[name].map((z, j) => (i === j ? y : z))))));
    else rows.push(numberRow(name, name, now, numbers[name], (y) => change(name, y)));
  } else for (const name in CHOICES) if (name in settings) rows.push(choiceRow(name, { ...settings, ...walker.changes }[name]));
  if (kind === "newton-cg") rows.push(numberRow("initial_radius", "initial_radius", walker.changes.initial_radius ?? settings.initial_radius, null, (y) => change("initial_radius", y)));
  $("sliders").replaceChildren(...rows, limitRow());
  showLimit();
}

// Where a slider is, from 0 to 1, for a number, and back.
function scaleOf(name, usual) {
  if (MEMORY.includes(name)) return { to: (x) => Math.min(1, -Math.log10(1 - x) / 4), from: (u) => Number((1 - 10 ** (-4 * u)).toPrecision(u > 0.75 ? 5 : 4)) };
  const middle = Math.log10(Math.abs(usual) || 1e-3), reach = name === "lr" ? 3 : 6;
  return { to: (x) => Math.max(0, Math.min(1, 0.5 + (Math.log10(x) - middle) / (2 * reach))), from: (u) => Number((10 ** (middle + (u - 0.5) * 2 * reach)).toPrecision(3)) };
}

function numberRow(id, name, now, usual, changed) {
  const row = make("div", undefined, { class: "slider" }), scale = scaleOf(name, usual ?? 1), title = symbol(id);
  const slide = make("input", undefined, { id: `slide-${id}`, type: "range", min: 0, max: 1, step: 0.002, "aria-label": title });
  const exact = make("input", undefined, { id: `number-${id}`, type: "text", inputmode: "decimal", autocomplete: "off", spellcheck: "false", "aria-label": `${title}, as a number` });
  const write = (x, moved) => { // null: the optimizer chooses it; `moved`: the slider is there already, and its steps are coarser
    exact.value = x > 0 && x < 1e-4 ? x.toExponential() : (x ?? "");
    exact.placeholder = "its own";
    if (!moved) {
      slide.value = x === null ? 0.5 : scale.to(x);
      row.classList.toggle("long", exact.value.length > SHORT);
    }
    slide.setAttribute("aria-valuetext", x === null ? "its own" : short(x));
  };
  const track = make("span", undefined, { class: "track" }), why = refusal(), least = usual === null || name === "initial_radius" ? "above 0" : "of 0 or more";
  let good = now;
  const take = (x, moved) => {
    why.textContent = changed(x);
    if (why.textContent) write(good); else write(good = x, moved);
  };
  write(now);
  slide.addEventListener("input", () => take(scale.from(+slide.value), true));
  exact.addEventListener("change", () => {
    const text = exact.value.trim(), x = Number(text.replace(",", ".").replace("−", "-"));
    if (text !== "" && fitsLike(x, usual, name)) { take(x); return; }
    write(good);
    why.textContent = `“${text}” is not taken: ${title} is a number ${MEMORY.includes(name) ? "from 0 to below 1" : least}.`;
  });
  track.append(slide);
  row.append(make("label", title, { for: slide.id }), track, exact, why);
  return row;
}

// The place beside a number or a choice that says why it was refused; it is read out.
const refusal = () => make("p", "", { class: "refusal", role: "status" });

function choiceRow(name, now) {
  const row = make("div", undefined, { class: "slider choice" }), select = make("select", undefined, { id: `choice-${name}` });
  for (const word of new Set([...CHOICES[name], now])) select.append(make("option", word ?? "none", { value: String(word) }));
  select.value = String(now);
  const why = refusal();
  select.addEventListener("change", () => {
    why.textContent = change(name, select.value === "null" ? null : select.value);
    select.value = String({ ...data.methods[chosen().k].settings, ...chosen().changes }[name]);
  });
  row.append(make("label", name.replace(/_/g, " "), { for: select.id }), select, why);
  return row;
}

// Change a number or setting of the chosen walker. Returns why it cannot be, or nothing.
function change(name, value) {
  const walker = chosen(), { changes } = walker;
  walker.changes = { ...changes, [name]: value };
  try { walker.runner = makeRunnerFor(walker); } catch (error) { // settings that exclude each other
    walker.changes = changes;
    return error.message;
  }
  showLimit();
  showLabels();
  show(lab.t);
  return "";
}

// The limit of the rate, where there is a proven one: on a loss whose Hessian is the same everywhere.
function limitRow() {
  const row = make("p", undefined, { id: "limit" });
  row.hidden = true;
  return row;
}

function showLimit() {
  const row = $("limit"), walker = chosen(), found = constantCurvature() ? rateLimit(walker) : null, slide = $("slide-lr");
  row.hidden = !found || !slide;
  const old = document.querySelector(".limit-mark");
  old?.remove();
  if (row.hidden) return;
  const mark = make("span", undefined, { class: "limit-mark", "aria-hidden": "true" }), u = scaleOf("lr", data.methods[walker.k].numbers.lr).to(found.limit);
  mark.style.left = `calc(8px + ${u} * (100% - 16px))`;
  slide.parentElement.append(mark);
  const number = make("span", "", { class: "number" });
  say(number, found.limit);
  row.replaceChildren(`Proven limit of the rate: ${found.formula} = `, number, methodFor(walker).numbers.lr > found.limit ? ". It diverges." : ". Below it every walk converges.");
}
