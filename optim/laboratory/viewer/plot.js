// A canvas in the colours of the page and at the resolution of the screen, and charts with axes on it.

const ink = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();
const FONT = "11px system-ui, -apple-system, 'Segoe UI', Roboto, Verdana, sans-serif";
const DASHES = [[], [7, 3], [2, 2], [7, 3, 2, 3]]; // so that walks can be told apart without colours

// `paint(plot)` draws all of it. It is called when the size has changed, and by `plot.draw()`.
function makePlot(canvas, paint) {
  const plot = { canvas, c: canvas.getContext("2d"), width: 0, height: 0, ratio: 1 };
  plot.draw = () => {
    const ratio = Math.min(devicePixelRatio || 1, 2), width = canvas.clientWidth, height = canvas.clientHeight;
    if (!width || !height) return;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    Object.assign(plot, { width, height, ratio });
    plot.c.setTransform(ratio, 0, 0, ratio, 0, 0);
    plot.c.clearRect(0, 0, width, height);
    plot.c.font = FONT;
    paint(plot);
  };
  new ResizeObserver(plot.draw).observe(canvas);
  return plot;
}

// From numbers to pixels; `.back` is the other way. `ticks` are round numbers, or decades.
function makeAxis(low, high, from, to, log = false) {
  const f = log ? Math.log10 : (x) => x, a = f(low), b = f(high);
  const axis = (x) => from + ((f(x) - a) / (b - a)) * (to - from);
  axis.back = (pixel) => { const u = a + ((pixel - from) / (to - from)) * (b - a); return log ? 10 ** u : u; };
  const most = Math.max(2, Math.floor(Math.abs(to - from) / (log ? 28 : from > to ? 42 : 62)));
  axis.ticks = log ? decades(a, b, most) : roundNumbers(low, high, most);
  const step = axis.ticks[1] - axis.ticks[0], places = Math.max(0, Math.min(12, -Math.floor(Math.log10(step) + 1e-9))), large = Math.max(Math.abs(low), Math.abs(high));
  axis.text = log ? decadeText : large < 1e5 && (large >= 1e-3 || low === high) ? (x) => minus(x.toFixed(places)) : (x) => short(x, 3);
  return axis;
}

function decades(a, b, most) {
  const found = [], every = Math.max(1, Math.ceil((Math.floor(b) - Math.ceil(a)) / most));
  for (let k = Math.ceil(a / every) * every; k <= b + 1e-9; k += every) found.push(10 ** k);
  return found.length > 1 ? found : [10 ** a, 10 ** b];
}

function roundNumbers(low, high, most) {
  const raw = (high - low) / most, unit = 10 ** Math.floor(Math.log10(raw)), step = unit * [1, 2, 5, 10].find((k) => k * unit >= raw);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step && found.length <= 2 * most; k++) found.push(Number((k * step).toPrecision(12)));
  return found.length > 1 || most > 8 ? found : roundNumbers(low, high, 2 * most); // one number alone is no scale
}

function decadeText(x) {
  const power = Math.round(Math.log10(x));
  return Math.abs(Math.log10(x) - power) > 1e-6 || Math.abs(power) < 3 ? short(x, 2) : `10${high(power)}`;
}
const RAISED = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };
const high = (n) => [...String(n)].map((d) => RAISED[d]).join("");

// Axes with grid and labels; the caller draws inside. x, y: {low, high, log, label}.
function frame(plot, x, y, { left = 52, right = 12, top = 22, bottom = 34 } = {}) {
  const { c, width, height } = plot;
  const X = makeAxis(x.low, x.high, left, width - right, x.log), Y = makeAxis(y.low, y.high, height - bottom, top, y.log);
  c.lineWidth = 1;
  c.strokeStyle = ink("grid");
  c.fillStyle = ink("muted");
  c.beginPath();
  for (const t of X.ticks) { c.moveTo(X(t), top); c.lineTo(X(t), height - bottom); }
  for (const t of Y.ticks) { c.moveTo(left, Y(t)); c.lineTo(width - right, Y(t)); }
  c.stroke();
  c.textAlign = "center";
  c.textBaseline = "top";
  for (const t of X.ticks) c.fillText(X.text(t), Math.min(X(t), width - 14), height - bottom + 5);
  c.textAlign = "right";
  c.textBaseline = "middle";
  for (const t of Y.ticks) c.fillText(Y.text(t), left - 6, Y(t));
  c.textAlign = "left";
  c.textBaseline = "top";
  if (y.label) c.fillText(y.label, 4, 3);
  c.textAlign = "right";
  c.textBaseline = "bottom";
  if (x.label) c.fillText(x.label, width - right, height - 1);
  c.textBaseline = "middle";
  const inside = (draw) => { c.save(); c.beginPath(); c.rect(left, top, width - left - right, height - top - bottom); c.clip(); draw(); c.restore(); };
  return { X, Y, inside, left, right: width - right, top, bottom: height - bottom };
}

// A line through (xs[k], ys[k]); it is broken where a number is not finite.
function drawLine(c, { X, Y }, xs, ys, colour, dash = [], width = 1.8) {
  c.strokeStyle = colour;
  c.lineWidth = width;
  c.setLineDash(dash);
  c.beginPath();
  let pen = false;
  for (let k = 0; k < xs.length; k++) {
    const px = X(xs[k]), py = Math.max(-1e5, Math.min(1e5, Y(ys[k]))); // also of log 0
    if (Number.isNaN(px) || Number.isNaN(py)) { pen = false; continue; }
    if (pen) c.lineTo(px, py); else c.moveTo(px, py);
    pen = true;
  }
  c.stroke();
  c.setLineDash([]);
}

// The mark of a walk: its own shape, so that walks can be told apart without colours.
const SHAPES = ["circle", "square", "triangle", "diamond", "down", "cross"];
function drawMark(c, shape, x, y, size, fill, edge) {
  const r = size;
  c.beginPath();
  if (shape === "circle") c.arc(x, y, r, 0, 7);
  else if (shape === "square") c.rect(x - 0.9 * r, y - 0.9 * r, 1.8 * r, 1.8 * r);
  else {
    const points = {
      triangle: [[0, -1.2], [1.1, 0.9], [-1.1, 0.9]], down: [[0, 1.2], [1.1, -0.9], [-1.1, -0.9]], diamond: [[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]],
      cross: [[-0.4, -1.2], [0.4, -1.2], [0.4, -0.4], [1.2, -0.4], [1.2, 0.4], [0.4, 0.4], [0.4, 1.2], [-0.4, 1.2], [-0.4, 0.4], [-1.2, 0.4], [-1.2, -0.4], [-0.4, -0.4]],
    }[shape];
    points.forEach(([a, b], k) => (k ? c.lineTo(x + a * r, y + b * r) : c.moveTo(x + a * r, y + b * r)));
    c.closePath();
  }
  c.fillStyle = fill;
  c.fill();
  c.strokeStyle = edge;
  c.lineWidth = 1.5;
  c.stroke();
}

// The least and the largest of the finite numbers, with some air; a logarithmic axis where none is negative and they lie far apart.
function rangeOf(numbers, mayLog = true) {
  let low = Infinity, most = -Infinity, least = Infinity; // `least` of those above 0
  for (const x of numbers) if (Number.isFinite(x)) { low = Math.min(low, x); most = Math.max(most, x); if (x > 0) least = Math.min(least, x); }
  if (low > most) return { low: 0, high: 1, log: false };
  if (mayLog && low >= 0 && most / least > 20) return { low: Math.max(least, most * 1e-18) / 1.5, high: most * 1.5, log: true };
  const air = most - low < 1e-9 * Math.max(Math.abs(low), Math.abs(most)) ? 0.5 * Math.abs(most) : 0.06 * (most - low) || 1; // not among roundings
  return { low: low - air, high: most + air, log: false };
}
