// The loss over two numbers as bands and lines of equal height. Heights are spread by log(1 + (f − least)/unit), so that valleys
// and cliffs are seen on one map.

const CELLS = 110, BANDS = 15;

// f on a grid over the box [[x from, x to], [y from, y to]], as heights from 0 to 1.
function makeLandscape(problem, [[x0, x1], [y0, y1]]) {
  const n = CELLS + 1, place = (k) => Float64Array.of(x0 + ((x1 - x0) * (k % n)) / CELLS, y0 + ((y1 - y0) * Math.floor(k / n)) / CELLS);
  const f = wholeLosses(problem, Array.from({ length: n * n }, (_, k) => place(k)));
  const finite = f.filter(Number.isFinite).sort(), least = finite[0] ?? 0;
  const unit = Math.max((finite[Math.floor(0.04 * finite.length)] ?? 1) - least, 1e-12 * Math.abs(least), 1e-300);
  const top = Math.log1p(((finite[Math.floor(0.995 * (finite.length - 1))] ?? 1) - least) / unit) || 1;
  const heights = f.map((x) => (Number.isFinite(x) ? Math.min(1.02, Math.log1p(Math.max(0, x - least) / unit) / top) : 1.02));
  return { n, heights };
}

// The loss at each place; of a loss on mini-batches, its mean over all of them.
function wholeLosses(problem, places) {
  const g = new Float64Array(problem.n), found = new Float64Array(places.length), most = batchesOf(problem);
  for (let t = 1; t <= most; t++) {
    feed(problem, t);
    places.forEach((theta, k) => { found[k] += problem.gradient(theta, g) / most; });
  }
  return found;
}

// After how many steps the mini-batches are the same again.
function batchesOf(problem) {
  if (!problem.batches) return 1;
  const { size, data } = problem.batches, k = data.findIndex(Boolean), rows = (data[k].length * size) / problem.data[k].length;
  return rows / divisor(rows, size);
}
const divisor = (a, b) => (b ? divisor(b, a % b) : a);

// The landscape as an image of this size, in the colours of the page.
function landscapeImage({ n, heights }, width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const c = canvas.getContext("2d"), image = c.createImageData(width, height), shades = bandColours();
  for (let y = 0, at = 0; y < height; y++) {
    const v = (1 - (y + 0.5) / height) * CELLS, j = Math.min(CELLS - 1, Math.floor(v)), b = v - j;
    for (let x = 0; x < width; x++, at += 4) {
      const u = ((x + 0.5) / width) * CELLS, i = Math.min(CELLS - 1, Math.floor(u)), a = u - i, k = j * n + i;
      const h = (1 - b) * ((1 - a) * heights[k] + a * heights[k + 1]) + b * ((1 - a) * heights[k + n] + a * heights[k + n + 1]);
      const shade = shades[Math.max(0, Math.min(BANDS - 1, Math.floor(h * BANDS)))];
      image.data[at] = shade[0];
      image.data[at + 1] = shade[1];
      image.data[at + 2] = shade[2];
      image.data[at + 3] = 255;
    }
  }
  c.putImageData(image, 0, 0);
  c.strokeStyle = ink("contour");
  c.lineWidth = Math.max(0.7, width / 900);
  for (let band = 1; band < BANDS; band++) c.stroke(contour(heights, n, band / BANDS, width, height));
  return canvas;
}

function bandColours() {
  const low = rgb(ink("low")), far = rgb(ink("background"));
  return Array.from({ length: BANDS }, (_, k) => { const s = (k / (BANDS - 1)) ** 0.7; return low.map((x, i) => x + s * (far[i] - x)); });
}
const rgb = (colour) => [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));

// The line of one height: in each cell between the edges that it crosses.
function contour(heights, n, level, width, height) {
  const path = new Path2D(), sx = width / CELLS, sy = height / CELLS;
  const cut = (a, b) => (level - a) / (b - a);
  for (let j = 0; j < CELLS; j++) for (let i = 0; i < CELLS; i++) {
    const k = j * n + i, a = heights[k], b = heights[k + 1], d = heights[k + n + 1], e = heights[k + n], ends = [];
    if (a < level !== b < level) ends.push([i + cut(a, b), j]);
    if (b < level !== d < level) ends.push([i + 1, j + cut(b, d)]);
    if (e < level !== d < level) ends.push([i + cut(e, d), j + 1]);
    if (a < level !== e < level) ends.push([i, j + cut(a, e)]);
    for (let m = 0; m + 1 < ends.length; m += 2) {
      path.moveTo(ends[m][0] * sx, height - ends[m][1] * sy);
      path.lineTo(ends[m + 1][0] * sx, height - ends[m + 1][1] * sy);
    }
  }
  return path;
}
