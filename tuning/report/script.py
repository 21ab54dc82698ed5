"""The JavaScript that draws the charts of a search's page."""

from __future__ import annotations

# Texts from the data reach the page as text nodes only, never as markup.
SCRIPT = r""""use strict";
(() => {
const D = JSON.parse(document.getElementById("data").textContent);
const NS = "http://www.w3.org/2000/svg";
const RAMP = ["#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b",
  "#fde725"].map(hex => [1, 3, 5].map(at => parseInt(hex.slice(at, at + 2), 16)));
const DARK = window.matchMedia("(prefers-color-scheme: dark)");
const BRUSHES = new Map();
const tip = document.getElementById("tip");

// Share 1 is the best trial. Either end of the ramp would drown in one of the two backgrounds.
function colour(share) {
  const at = (DARK.matches ? .2 + .8 * share : .85 * (1 - share)) * (RAMP.length - 1);
  const low = Math.min(Math.floor(at), RAMP.length - 2);
  return "rgb(" + RAMP[low].map((v, i) => Math.round(v + (at - low) * (RAMP[low + 1][i] - v))).join(",") + ")";
}
function add(parent, tag, attributes, text) {
  const node = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  parent.appendChild(node);
  return node;
}
function number(value) {
  if (value === null || value === undefined) return "-";
  const size = Math.abs(value);
  if (size && (size < 1e-3 || size >= 1e6)) return value.toExponential(2).replace(/\.?0+e/, "e");
  return String(Number(value.toPrecision(4)));
}
function short(text, most) { return text.length > most ? text.slice(0, most - 1) + "\u2026" : text; }
function spans(values) {
  const low = Math.min(...values), high = Math.max(...values);
  return low > 0 && high / low >= D.decades;
}
// From values to pixels between `from` and `to`, with the ticks that fit.
function scale(values, log, from, to) {
  let low = Math.min(...values), high = Math.max(...values);
  if (low === high) { const pad = log ? 0 : Math.abs(low) * .1 || 1; low -= pad; high += pad; }
  if (log && low === high) { low /= 2; high *= 2; }
  const f = log ? Math.log10 : v => v;
  const place = v => from + (f(v) - f(low)) / (f(high) - f(low)) * (to - from);
  const ticks = [];
  if (log) {
    const powers = Math.log10(high / low), step = Math.ceil(powers / 6);
    const digits = powers < 2.5 ? [1, 2, 5] : [1];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += step)
      for (const digit of digits) ticks.push(Number(digit + "e" + power));
  } else {
    const rough = (high - low) / 5, unit = 10 ** Math.floor(Math.log10(rough));
    const step = unit * [1, 2, 5, 10].find(m => m * unit >= rough);
    for (let at = Math.ceil(low / step); at <= high / step && ticks.length < 20; at++)
      ticks.push(Number((at * step).toPrecision(12)));
  }
  const inside = ticks.filter(v => v >= low && v <= high);
  return { place, ticks: inside.length > 1 ? inside : [low, high] };
}
function start(id, height, label, least) {
  const home = document.getElementById(id);
  home.replaceChildren();
  const width = Math.max(home.clientWidth || 320, least || 280);
  const svg = add(home, "svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  return { svg, width, height };
}
function words(trial) {
  const lines = [trial.name, trial.score === null ? "failed: " + short(trial.note || "no score", 200)
    : `${D.objective} ${number(trial.score)}` + (trial.spread === null ? "" : ` \u00b1 ${number(trial.spread)}`)];
  D.columns.forEach((column, at) => {
    const value = trial.values[at];
    if (value !== null) lines.push(`${column.name}: ${typeof value === "number" ? number(value) : short(value, 60)}`);
  });
  return lines.join("\n");
}
function show(event, text) {
  tip.textContent = text;
  tip.style.display = "block";
  const x = event.clientX + 14, y = event.clientY + 14;
  tip.style.left = Math.max(4, Math.min(x, innerWidth - tip.offsetWidth - 4)) + "px";
  tip.style.top = Math.max(4, y + tip.offsetHeight > innerHeight ? y - tip.offsetHeight - 28 : y) + "px";
}
// The drawn line that is nearest to the pointer gets bold, with a text beside it. Lines: node, points, text.
function hover(svg, lines, within) {
  let on = null;
  function choose(line, event) {
    if (on && on !== line) on.node.classList.remove("on");
    on = line;
    if (!line) { tip.style.display = "none"; return; }
    line.node.classList.add("on");
    show(event, line.text);
  }
  function away(points, x, y) {
    let least = Infinity;
    for (let i = 0; i < points.length; i++) {
      const [x0, y0] = points[i], [x1, y1] = points[Math.min(i + 1, points.length - 1)];
      const dx = x1 - x0, dy = y1 - y0, t = ((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy || 1);
      const s = Math.max(0, Math.min(1, t));
      least = Math.min(least, Math.hypot(x - x0 - s * dx, y - y0 - s * dy));
    }
    return least;
  }
  function move(event) {
    const box = svg.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    let best = null, least = within;
    for (const line of lines) {
      if (line.node.classList.contains("off")) continue;
      const distance = away(line.points, x, y);
      if (distance < least) { least = distance; best = line; }
    }
    choose(best, event);
  }
  svg.addEventListener("pointermove", move);
  svg.addEventListener("pointerdown", move);
  svg.addEventListener("pointerleave", event => choose(null, event));
}
function path(points) { return points.map((p, i) => (i ? "L" : "M") + p.map(v => v.toFixed(1)).join(",")).join(""); }
function frame(s, xs, ys, names) {
  for (const tick of ys.ticks) {
    add(s.svg, "line", { x1: 56, x2: s.width - 12, y1: ys.place(tick), y2: ys.place(tick), class: "grid" });
    add(s.svg, "text", { x: 50, y: ys.place(tick) + 4, "text-anchor": "end", class: "soft" }, number(tick));
  }
  for (const tick of xs.ticks.filter(tick => tick >= 0 && Number.isInteger(tick)))
    add(s.svg, "text", { x: xs.place(tick), y: s.height - 22, "text-anchor": "middle", class: "soft" }, String(tick));
  add(s.svg, "text", { x: s.width / 2, y: s.height - 5, "text-anchor": "middle", class: "soft" }, names[0]);
  add(s.svg, "text", { x: 8, y: 12, class: "soft" }, names[1]);
}

function parallel() {
  const scores = D.trials.filter(t => t.score !== null).map(t => t.score);
  const varying = D.columns.map((column, at) => ({ ...column, at })).filter(column => column.varies);
  if (!varying.length || !scores.length) return;
  const s = start("parallel", 380, "parallel coordinates of all trials", (varying.length + 1) * 96);
  const top = 44, bottom = s.height - 16, gap = (s.width - 130) / varying.length;
  const axes = [...varying, { name: D.objective, kind: "score", at: -1 }].map((axis, i) => {
    const foot = axis.absent ? bottom - 34 : bottom, x = 50 + i * gap;
    let marks, y;
    if (axis.kind === "category") {
      const step = (foot - top) / Math.max(1, axis.levels.length);
      const places = new Map(axis.levels.map((level, at) => [level, foot - (at + .5) * step]));
      const each = Math.ceil(axis.levels.length / 20);
      y = value => places.get(value);
      marks = axis.levels.filter((_, at) => at % each === 0).map(level => [level, places.get(level)]);
    } else {
      const score = axis.kind === "score", down = score && D.direction === "min";
      const values = score ? scores : D.trials.map(t => t.values[axis.at]).filter(v => v !== null);
      const sc = scale(values, score ? spans(values) : axis.log, down ? top : foot, down ? foot : top);
      y = sc.place;
      // Of few values, as widths of layers, those themselves.
      const own = [...new Set(values)].sort((a, b) => a - b);
      const apart = own.length < 7 && own.every((v, i) => !i || Math.abs(y(v) - y(own[i - 1])) > 13);
      marks = (apart ? own : sc.ticks).map(tick => [number(tick), y(tick)]);
    }
    if (axis.absent) marks.push([D.absent, bottom]);
    return { ...axis, x, marks, place: t => {
      const value = axis.at < 0 ? t.score : t.values[axis.at];
      return value === null ? (axis.at < 0 ? null : bottom) : y(value);
    } };
  });
  const lines = [...D.trials].sort((a, b) => (a.share ?? -1) - (b.share ?? -1)).map(t => {
    const points = axes.map(axis => [axis.x, axis.place(t)]).filter(point => point[1] !== null);
    const node = add(s.svg, "path", { d: path(points), class: "trial" + (t.score === null ? " failed" : "") });
    if (t.score !== null) node.setAttribute("stroke", colour(t.share));
    return { node, points, text: words(t), places: new Map(axes.map(axis => [axis.at, axis.place(t)])) };
  });
  const filter = () => lines.forEach(line => line.node.classList.toggle("off", [...BRUSHES].some(([at, range]) => {
    const y = line.places.get(at);
    return y === null || y < range[0] || y > range[1];
  })));
  for (const axis of axes) {
    add(s.svg, "line", { x1: axis.x, x2: axis.x, y1: top, y2: bottom, class: "axis" });
    const last = axis.kind === "score";
    const title = add(s.svg, "text", { x: axis.x, y: 16, "text-anchor": "middle", "font-weight": last ? 700 : 400 },
      short(axis.name, Math.max(8, Math.floor(gap / 7))));
    add(title, "title", {}, axis.name);
    if (last) add(s.svg, "text", { x: axis.x, y: 31, "text-anchor": "middle", class: "soft" }, "best on top");
    for (const [text, y] of axis.marks) {
      add(s.svg, "circle", { cx: axis.x, cy: y, r: axis.kind === "category" ? 3.5 : 1.5 });
      add(s.svg, "text", { x: axis.x + 6, y: y + 4, stroke: "var(--back)", "stroke-width": 3, "paint-order": "stroke" },
        short(text, Math.max(6, Math.floor(gap / 8))));
    }
    const brush = add(s.svg, "rect", { x: axis.x - 8, width: 16, class: "brush", display: "none" });
    const handle = add(s.svg, "rect", { x: axis.x - 18, y: top - 8, width: 36, height: bottom - top + 16,
      class: "handle" });
    const draw = () => {
      const range = BRUSHES.get(axis.at);
      brush.setAttribute("display", range ? "inline" : "none");
      if (range) { brush.setAttribute("y", range[0]); brush.setAttribute("height", range[1] - range[0]); }
      filter();
    };
    let from = null;
    const y = event => event.clientY - s.svg.getBoundingClientRect().top;
    handle.addEventListener("pointerdown", event => { from = y(event); handle.setPointerCapture(event.pointerId); });
    handle.addEventListener("pointermove", event => {
      if (from === null || Math.abs(y(event) - from) < 4) return;
      BRUSHES.set(axis.at, [Math.min(from, y(event)), Math.max(from, y(event))]);
      draw();
    });
    for (const end of ["pointerup", "pointercancel"]) handle.addEventListener(end, () => { from = null; });
    handle.addEventListener("dblclick", () => { BRUSHES.delete(axis.at); draw(); });
    draw();
  }
  hover(s.svg, lines, 14);
}

function progress() {
  const scored = D.trials.filter(t => t.score !== null);
  if (!scored.length) return;
  const s = start("progress", 300, "score of each trial and the best so far");
  const xs = scale(D.trials.map(t => t.number), false, 70, s.width - 24);
  const all = scored.map(t => t.score), ys = scale(all, spans(all), s.height - 56, 28);
  frame(s, xs, ys, ["trial", D.objective]);
  const better = (a, b) => D.direction === "max" ? a > b : a < b;
  const steps = [];
  let best = null;
  for (const t of [...scored].sort((a, b) => a.number - b.number)) {
    if (best !== null && !better(t.score, best)) continue;
    if (best !== null) steps.push([xs.place(t.number), ys.place(best)]);
    best = t.score;
    steps.push([xs.place(t.number), ys.place(best)]);
  }
  steps.push([s.width - 24, ys.place(best)]);
  add(s.svg, "path", { d: path(steps), fill: "none", stroke: "var(--bar)", "stroke-width": 2 });
  if (D.reference !== null) {
    const y = ys.place(D.reference);
    add(s.svg, "line", { x1: 56, x2: s.width - 12, y1: y, y2: y, class: "axis", "stroke-dasharray": "6 4" });
    add(s.svg, "text", { x: s.width - 14, y: y - 5, "text-anchor": "end", class: "soft" }, "default");
  }
  const lines = D.trials.map(t => {
    const point = [xs.place(t.number), t.score === null ? s.height - 44 : ys.place(t.score)];
    const node = t.score === null
      ? add(s.svg, "path", { d: path([[point[0] - 4, point[1] - 4], [point[0] + 4, point[1] + 4]])
        + path([[point[0] - 4, point[1] + 4], [point[0] + 4, point[1] - 4]]), stroke: "var(--bad)" })
      : add(s.svg, "circle", { cx: point[0], cy: point[1], r: 4, fill: colour(t.share), stroke: "var(--back)" });
    node.classList.add("point");
    return { node, points: [point], text: words(t) };
  });
  hover(s.svg, lines, 16);
}

function importance() {
  if (!D.importances.length) return;
  const s = start("importance", D.importances.length * 40 + 8, "importance of the hyperparameters");
  const most = Math.max(...D.importances.map(row => row.importance + row.spread), .01), wide = s.width - 16;
  D.importances.forEach((row, i) => {
    const y = i * 40, x = 4 + row.importance / most * wide, reach = row.spread / most * wide;
    add(s.svg, "text", { x: 4, y: y + 15 }, `${short(row.name, Math.floor(s.width / 10))}: `
      + `${Math.round(100 * row.importance)} % \u00b1 ${Math.round(100 * row.spread)}`);
    add(s.svg, "rect", { x: 4, y: y + 20, width: Math.max(1, x - 4), height: 14, fill: "var(--bar)" });
    if (row.spread)
      add(s.svg, "line", { x1: Math.max(4, x - reach), x2: x + reach, y1: y + 27, y2: y + 27, stroke: "var(--text)" });
  });
}

function curves() {
  const drawn = D.curves.filter(curve => curve.values.some(v => v !== null));
  if (!drawn.length) return;
  const s = start("curves", 320, "losses of the best trials over their epochs");
  const all = drawn.flatMap(curve => curve.values.filter(v => v !== null));
  const xs = scale([1, ...drawn.map(curve => curve.values.length)], false, 64, s.width - 20);
  const ys = scale(all, spans(all), s.height - 44, 28);
  frame(s, xs, ys, ["epoch", D.loss + (spans(all) ? " (logarithmic)" : "")]);
  const lines = drawn.map((curve, i) => {
    const points = curve.values.map((v, at) => v === null ? null : [xs.place(at + 1), ys.place(v)]).filter(Boolean);
    const stroke = colour(drawn.length > 1 ? 1 - i / (drawn.length - 1) : 1);
    const node = points.length > 1 ? add(s.svg, "path", { d: path(points), class: "trial", stroke })
      : add(s.svg, "circle", { cx: points[0][0], cy: points[0][1], r: 4, class: "trial", stroke });
    const trial = D.trials.find(t => t.number === curve.number);
    return { node, points, text: words(trial) + `\nlast ${D.loss}: ${number(curve.values.at(-1))}` };
  });
  lines.slice().reverse().forEach(line => s.svg.appendChild(line.node));
  hover(s.svg, lines, 16);
}

function sorting() {
  const table = document.getElementById("trials"), body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, at) => head.firstElementChild.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending";
    heads.forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const keyed = [...body.rows].map(row => ({ row, text: row.cells[at].dataset.sort ?? row.cells[at].textContent }));
    keyed.sort((a, b) => {
      if (!a.text || !b.text) return (a.text ? 0 : 1) - (b.text ? 0 : 1);  // empty ones last, either way
      const x = Number(a.text), y = Number(b.text), texts = Number.isNaN(x) || Number.isNaN(y);
      return (texts ? a.text.localeCompare(b.text) : x - y) * (down ? -1 : 1);
    });
    keyed.forEach(({ row }) => body.appendChild(row));
  }));
}

const draw = () => { for (const picture of [parallel, progress, importance, curves]) picture(); };
let waiting = null, width = innerWidth;
window.addEventListener("resize", () => {
  if (innerWidth === width) return;  // a phone's address bar changes the height only
  width = innerWidth;
  clearTimeout(waiting);
  waiting = setTimeout(draw, 150);
});
DARK.addEventListener("change", draw);
sorting();
draw();
})();
"""
