// A line or a band over the last ten minutes. Pointer and arrow keys read it.
import { h, s, clock } from "./dom.js";

const LEFT = 46, RIGHT = 6, TOP = 8, BOTTOM = 18;
const window_ = 10 * 60 * 1000;

// Chart keeps its elements, so that a new sample does not take the focus away.
export class Chart {
  constructor(title, say, height = 110) {
    this.say = say; this.height = height; this.points = []; this.at = null; this.top = 1; this.summary = "";
    this.now = h("span");
    this.width = 420;
    this.svg = s("svg", { class: "chart", height, role: "img", tabindex: "0" });
    this.name = title;
    this.element = h("figure", {}, h("figcaption", {}, h("b", {}, title), this.now), this.svg);
    new ResizeObserver(() => this.draw()).observe(this.svg); // drawn at its own size: letters stay as large as they are
    this.svg.addEventListener("pointermove", (e) => this.point(e));
    this.svg.addEventListener("pointerleave", () => this.read(null));
    this.svg.addEventListener("blur", () => this.read(null));
    this.svg.addEventListener("keydown", (e) => this.key(e));
  }

  // set takes points {at, low, high}, oldest first; high null is a gap. top is the
  // greatest value of the axis.
  set(points, top, summary) {
    this.points = points; this.top = top; this.summary = summary;
    this.svg.setAttribute("aria-label", `${this.name}: ${summary}`);
    this.draw();
  }

  x(at) { return LEFT + ((at - this.from) / window_) * (this.width - LEFT - RIGHT); }
  y(v) { return this.height - BOTTOM - (Math.min(v, this.top) / this.top) * (this.height - TOP - BOTTOM); }

  draw() {
    const W = (this.width = this.svg.clientWidth || this.width);
    this.svg.setAttribute("viewBox", `0 0 ${W} ${this.height}`);
    this.until = this.points.length > 0 ? this.points.at(-1).at : Date.now();
    this.from = this.until - window_;
    const parts = [];
    for (const part of [0, 0.5, 1]) {
      const y = this.y(this.top * part);
      parts.push(s("line", { x1: LEFT, x2: W - RIGHT, y1: y, y2: y, class: "grid" }), s("text", { x: LEFT - 6, y: y + 3.5, "text-anchor": "end" }, this.say(this.top * part, true)));
    }
    for (const [minutes, anchor] of [[10, "start"], [5, "middle"], [0, "end"]]) {
      parts.push(s("text", { x: this.x(this.until - minutes * 60000), y: this.height - 4, "text-anchor": anchor }, minutes === 0 ? "now" : `−${minutes} min`));
    }
    for (const run of runs(this.points)) {
      const up = run.map((p) => `${this.x(p.at).toFixed(1)},${this.y(p.high).toFixed(1)}`);
      const down = run.map((p) => `${this.x(p.at).toFixed(1)},${this.y(p.low).toFixed(1)}`).reverse();
      parts.push(s("polygon", { points: [...up, ...down].join(" "), class: "band" }), s("polyline", { points: up.join(" "), class: "rim" }));
    }
    const p = this.at === null ? null : this.nearest(this.at);
    if (p) parts.push(s("line", { x1: this.x(p.at), x2: this.x(p.at), y1: TOP, y2: this.height - BOTTOM, class: "cursor" }));
    this.svg.replaceChildren(...parts);
    const text = p ? `${clock(p.at)}: ${p.high === null ? "unknown" : this.say(p)}` : this.summary;
    if (this.now.textContent !== text) this.now.textContent = text;
  }

  nearest(at) { return this.points.reduce((best, p) => (best === null || Math.abs(p.at - at) < Math.abs(best.at - at) ? p : best), null); }
  read(at) { this.at = at; this.now.setAttribute("aria-live", at === null ? "off" : "polite"); this.draw(); }

  point(e) {
    const box = this.svg.getBoundingClientRect();
    this.read(this.from + ((e.clientX - box.left - LEFT) / (this.width - LEFT - RIGHT)) * window_);
  }

  key(e) {
    const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -30, PageDown: 30 }[e.key];
    if (e.key === "Escape") this.read(null);
    if (by === undefined || this.points.length === 0) return;
    e.preventDefault();
    const i = this.at === null ? this.points.length : this.points.indexOf(this.nearest(this.at));
    this.read(this.points[Math.min(this.points.length - 1, Math.max(0, i + by))].at);
  }
}

// runs cuts points where nothing was known, or nothing was asked for a while.
function runs(points) {
  const all = [];
  let run = [];
  for (const p of points) {
    if (p.high === null || (run.length > 0 && p.at - run.at(-1).at > 15000)) { if (run.length > 0) all.push(run); run = []; }
    if (p.high !== null) run.push(p);
  }
  if (run.length > 0) all.push(run);
  return all;
}

// roundUp returns the next of 1, 2, 2.5, 5, 10, 20, 25 …
export function roundUp(v) {
  const ten = 10 ** Math.floor(Math.log10(v));
  return [1, 2, 2.5, 5, 10].map((k) => k * ten).find((k) => k >= v);
}
