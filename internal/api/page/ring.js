// The ring, drawn: members stay where they are whatever becomes of them; an arrow
// goes from who is followed to who follows, with its lag.
import { s, millis } from "./dom.js";

const W = 600, H = 430, CX = W / 2, CY = H / 2, DISC = 38;
const late = 1000; // ms; from here on an edge is drawn as a warning

const place = (i, n) => {
  const turn = (n === 2 ? Math.PI : -Math.PI / 2) + (2 * Math.PI * i) / n;
  const radius = n === 2 ? 135 : n === 3 ? 150 : n < 7 ? 170 : 190;
  return { turn, radius, x: CX + radius * Math.cos(turn), y: CY + radius * Math.sin(turn) };
};

export function drawRing({ members, edges, units, ring }) {
  if (!ring || members.length === 0) return s("svg", { viewBox: `0 0 ${W} 120`, role: "img", "aria-label": "There is no ring yet" }, s("text", { x: CX, y: 60, class: "center" }, "There is no ring yet."));
  const at = new Map(members.map((m, i) => [m.name, { ...place(i, members.length), i }]));
  const lines = edges.filter((e) => at.has(e.meant || e.seen) && at.has(e.member) && (e.meant || e.seen) !== e.member);
  const rows = [...at.values()].map((p) => p.y);
  const top = Math.min(CY - at.values().next().value.radius - 14, ...rows.map((y) => y - DISC - 46));
  const bottom = Math.max(CY + at.values().next().value.radius + 14, ...rows.map((y) => y + DISC + 44));
  const told = lines.map((e) => `${e.member} follows ${e.meant || e.seen}, ${edgeWords(e)}`).join("; ");
  return s("svg", { viewBox: `0 ${top} ${W} ${bottom - top}`, class: "ring-map", role: "img", "aria-label": `Ring ${ring} of ${members.length} members. ${told}.` },
    center(units), lines.map((e) => edge(e, at, members)), members.map((m) => disc(m, at.get(m.name))));
}

export const edgeWords = (e) => {
  if (e.known && !e.ok) return "broken";
  return e.lag_ms === null || e.lag_ms === undefined ? "lag unknown" : `at most ${millis(e.lag_ms + e.lag_err_ms)} late`;
};

function center(units) {
  const owners = [...new Set(units.map((u) => u.owner))];
  const orphans = units.filter((u) => !u.owner).length;
  let big = owners[0] || "nobody";
  if (units.length === 0) big = "–";
  else if (owners.length > 1) big = `${owners.filter(Boolean).length} members`;
  return [
    s("text", { x: CX, y: CY - 12, class: "center small" }, orphans > 0 ? "writes wait, owned by" : "writes go to"),
    s("text", { x: CX, y: CY + 16, class: `center big${orphans > 0 ? " bad" : ""}` }, big),
    units.length > 1 && s("text", { x: CX, y: CY + 36, class: "center small" }, `${units.length} units`),
  ];
}

// slow are the lag levels at which a member's edge is drawn as a warning.
const slow = ["warn", "throttle", "drain"];

function edge(e, at, members) {
  const from = at.get(e.meant || e.seen), to = at.get(e.member), n = members.length;
  const steps = (to.i - from.i + n) % n;
  const known = e.lag_ms !== null && e.lag_ms !== undefined;
  let kind = known ? (e.lag_ms >= late || slow.includes(members[to.i].level) ? "late" : "") : "unknown";
  if (e.known && !e.ok) kind = "broken";
  const path = steps === 1 ? around(from, to) : across(from, to);
  const words = kind === "broken" ? "broken" : known ? `≤ ${millis(e.lag_ms + e.lag_err_ms)}` : "unknown";
  const width = 14 + words.length * 7;
  return s("g", { class: kind },
    s("title", {}, `${e.member} follows ${e.meant || e.seen}: ${e.error || edgeWords(e)}`),
    s("path", { d: path.d, class: "arc" }),
    s("path", { d: "M 0 0 L -11 5.5 L -8 0 L -11 -5.5 Z", class: "head", transform: `translate(${path.end.x} ${path.end.y}) rotate(${path.end.deg})` }),
    s("rect", { x: path.mid.x - width / 2, y: path.mid.y - 11, width, height: 22, rx: 11, class: "tag" }),
    s("text", { x: path.mid.x, y: path.mid.y + 4.5, class: "tag-text" }, words));
}

// around goes along the circle, from rim to rim.
function around(from, to) {
  const r = from.radius, gap = (DISC + 7) / r;
  const a = from.turn + gap;
  let b = to.turn - gap;
  while (b < a) b += 2 * Math.PI;
  const on = (t) => ({ x: CX + r * Math.cos(t), y: CY + r * Math.sin(t) });
  const p = on(a), q = on(b), m = on((a + b) / 2);
  return { d: `M ${p.x} ${p.y} A ${r} ${r} 0 ${b - a > Math.PI ? 1 : 0} 1 ${q.x} ${q.y}`, mid: m, end: { ...q, deg: ((b + Math.PI / 2) * 180) / Math.PI - 4 } };
}

// across passes by a member that is out: a bow through the inside.
function across(from, to) {
  const k = { x: CX + ((from.x + to.x) / 2 - CX) * 0.15, y: CY + ((from.y + to.y) / 2 - CY) * 0.15 };
  const toward = (p, c) => { const d = Math.hypot(c.x - p.x, c.y - p.y) || 1; return { x: p.x + ((c.x - p.x) / d) * (DISC + 7), y: p.y + ((c.y - p.y) / d) * (DISC + 7) }; };
  const c = { x: k.x + (CX - k.x) * 0.2, y: k.y + 46 * (k.y < CY ? -1 : 1) };
  const p = toward(from, c), q = toward(to, c);
  return { d: `M ${p.x} ${p.y} Q ${c.x} ${c.y} ${q.x} ${q.y}`, mid: { x: (p.x + 2 * c.x + q.x) / 4, y: (p.y + 2 * c.y + q.y) / 4 }, end: { ...q, deg: (Math.atan2(q.y - c.y, q.x - c.x) * 180) / Math.PI } };
}

export function memberKind(m) {
  if (m.owns.length > 0) return "owner";
  if (m.state === "active") return m.reach === "answers" ? "" : "out";
  return m.state === "joining" || m.state === "returning" ? "coming" : "out";
}

export function memberRole(m) {
  if (m.state !== "active") return m.state;
  if (m.reach !== "answers") return `${m.reach === "unknown" ? "not known" : m.reach}`;
  if (m.owns.length > 0) return m.read_only ? "owner, read-only" : "owner";
  return m.read_only ? "read-only" : "open";
}

function disc(m, at) {
  const cos = Math.cos(at.turn), sin = Math.sin(at.turn);
  const anchor = cos > 0.3 ? "start" : cos < -0.3 ? "end" : "middle";
  const x = at.x + (anchor === "middle" ? 0 : (DISC + 12) * Math.sign(cos));
  const y = at.y + (anchor !== "middle" ? -2 : sin < 0 ? -DISC - 24 : DISC + 20);
  return s("g", { class: memberKind(m) },
    s("title", {}, `${m.name} at ${m.addr}: ${m.why || memberRole(m)}`),
    s("circle", { cx: at.x, cy: at.y, r: DISC, class: "disc" }),
    s("text", { x: at.x, y: at.y + 1, class: "name" }, m.name.length > 8 ? `${m.name.slice(0, 7)}…` : m.name),
    s("text", { x: at.x, y: at.y + 18, class: "slot" }, `slot ${m.slot}`),
    s("text", { x, y, class: "role", "text-anchor": anchor }, memberRole(m)),
    s("text", { x, y: y + 15, class: "addr", "text-anchor": anchor }, m.addr));
}
