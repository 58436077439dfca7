// Numbers and names as text. A number on the page is an element that also holds all its digits, in `data-value` and its title.

const $ = (id) => document.getElementById(id);
const root = document.documentElement;
const minus = (text) => text.replace(/-/g, "−");

// Four digits, with an exponent where the number is very large or small.
function short(x, digits = 4) {
  if (x === undefined || x === null) return "";
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "not a number" : x > 0 ? "∞" : "−∞";
  if (x === 0) return "0";
  const size = Math.abs(x);
  if (size >= 1e5 || size < 1e-3) {
    const [mantissa, exponent] = x.toExponential(digits - 1).split("e");
    return minus(`${mantissa.replace(/\.?0+$/, "")}e${+exponent}`);
  }
  return minus(String(+x.toPrecision(digits)));
}

// In tables, and in the boxes of a drawn rule, which have room for these seven digits.
const long = (x) => short(x, 7);

function say(element, x, text = short(x)) {
  if (element.textContent !== text) element.textContent = text;
  element.dataset.value = element.title = String(x);
}

function make(name, words, attributes = {}) {
  const element = document.createElement(name);
  if (words !== undefined) element.textContent = words;
  for (const key in attributes) if (attributes[key] !== undefined) element.setAttribute(key, attributes[key]);
  return element;
}

const GREEK = { alpha: "α", beta: "β", betas: "β", eps: "ε", lambda: "λ", rho: "ρ", mu: "μ" };
const LETTERS = { 0: "₀", 1: "₁", 2: "₂", 3: "₃", 4: "₄", 5: "₅", 6: "₆", 7: "₇", 8: "₈", 9: "₉" };
const WORDS = { lr: "rate lr", weight_decay: "weight decay λ", momentum: "momentum μ", lr_eff: "effective rate", step: "step" };
function symbol(name) {
  if (WORDS[name]) return WORDS[name];
  if (name.endsWith("_hat")) return `${symbol(name.slice(0, -4))}̂`;
  if (name.endsWith("_max")) return `${symbol(name.slice(0, -4))} max`;
  const [, stem, number] = name.match(/^(.*?)_?(\d*)$/);
  return (GREEK[stem] ?? stem.replace(/_/g, " ")) + [...number].map((d) => LETTERS[d]).join("");
}
