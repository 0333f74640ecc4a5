// What stands around the ring: numbers, the operation, tables and events.
import { h, millis, span, clock } from "./dom.js";
import { memberKind, memberRole } from "./ring.js";

const levels = { ok: "ok", degraded: "warn", down: "bad" };
export const healthClass = (health) => `pill ${levels[health] || ""}`;

export function reasons({ reasons: lines, next }) {
  return [
    h("ul", {}, lines.map((line) => h("li", {}, line))),
    next.length > 0 && h("p", { class: "next" }, "To type: ", next.map((line, i) => {
      const [command, about] = line.split(/ {4}/);
      return [i > 0 && " · ", h("code", {}, command), about && ` ${about}`];
    }).flat()),
  ];
}

export function numbers(list) {
  return list.map(([value, label, kind]) => h("div", { class: kind }, h("dt", {}, label), h("dd", {}, value)));
}

// admissions says how many of their places for writes the owners give away, and why fewer.
export function admissions({ list, owned }) {
  if (list.length === 0) return owned && h("li", { class: "warn-text" }, "How many writes are let in is not known.");
  return list.map((a) => {
    const here = a.places === null ? "nobody has come to this node's gate yet" : `${a.places} at this node's gate`;
    if (a.since_ms === null) return h("li", { class: "muted" }, `${a.member}: ${a.what}, ${here}.`);
    return h("li", { class: "held" }, h("b", {}, `Fewer writes are let in at ${a.member}, for ${span(a.since_ms)}: `), `${a.what}; ${here}.`);
  });
}

export function operation({ operation: op, step, heal }) {
  if (!op) {
    return [h("p", { class: "empty" }, "None runs."), step && step.kind !== "idle" ? why(step) : step && h("p", { class: "why muted" }, `The controller: ${step.why}.`)];
  }
  const about = op.member ? `${op.kind} ${op.member}` : op.kind;
  return [
    h("p", {}, h("b", {}, `${op.id}: ${about}`), ` at “${op.cursor}”: ${op.doing}`),
    h("p", { class: "muted" }, `Began ${clock(op.began)}, by ${op.by}${op.why ? `: ${op.why}` : ""}`),
    heal ? h("ol", { class: "steps" }, heal.map((one) => h("li", { class: one.state === "done" ? "done" : one.state === "now" ? "now" : "" }, one.what))) : null,
    op.step ? why(op.step) : null,
  ];
}

const verbs = { wait: "It waits", do: "It acts", commit: "It decides", stuck: "It is stuck and needs a person", idle: "It rests" };
const why = (step) => h("p", { class: `why ${step.kind}` }, `${verbs[step.kind] || step.kind}: ${step.why}${step.member ? ` (${step.member})` : ""}`);

const head = (...names) => h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col" }, name))));

const pills = { owner: "accent plain", "": "plain", coming: "warn", out: "bad" };

export function members({ members: list, stride }) {
  if (list.length === 0) return h("tbody", {}, h("tr", {}, h("td", { class: "empty" }, "No members yet.")));
  return [
    head("Member", "State", "Follows", "Lag, at most", "Slot", "Semi-sync", "Version"),
    h("tbody", {}, list.map((m) => h("tr", {},
      h("th", { scope: "row" }, m.name, h("span", { class: "sub muted" }, ` ${m.addr}`)),
      h("td", {}, h("span", { class: `pill ${pills[memberKind(m)]}` }, memberRole(m)), m.why && h("span", { class: "sub" }, m.why)),
      h("td", {}, m.upstream || "–", link(m)),
      h("td", {}, lags(m)),
      h("td", {}, `${m.slot} of ${stride}`),
      h("td", {}, semiSync(m.semi_sync)),
      h("td", {}, m.version || h("span", { class: "muted" }, "unknown"))))),
  ];
}

function link(m) {
  if (!m.upstream) return null;
  if (!m.link) return h("span", { class: "sub" }, "not known");
  if (m.link.receiver === "running" && m.link.applier === "running") return null;
  return h("span", { class: "sub bad-text" }, `receiver ${m.link.receiver}, applier ${m.link.applier}${m.link.error ? `: ${m.link.error}` : ""}`);
}

function lags(m) {
  const origins = Object.keys(m.lag_ms).sort();
  if (origins.length === 0) return "–";
  return [...origins.map((origin, i) => {
    const low = m.lag_ms[origin], known = low !== null;
    const text = known ? millis(low + m.lag_err_ms[origin]) : "unknown";
    return [i > 0 && " · ", h("span", { class: "muted" }, `${origin} `), h("span", { class: known ? (low >= 1000 ? "warn-text" : "") : "warn-text" }, text)];
  }).flat(), m.level !== "fresh" && h("span", { class: "sub warn-text" }, `level ${m.level}${m.level_why ? `: ${m.level_why}` : ""}`)];
}

function semiSync(sync) {
  if (sync.ordered === "off") return h("span", { class: "muted" }, "off");
  if (sync.ordered === "degraded") return h("span", { class: "warn-text" }, "degraded: no acker");
  const on = sync.on === null ? "not known" : sync.on ? `on, ${sync.ackers} acker${sync.ackers === 1 ? "" : "s"}` : "armed, not on";
  return h("span", { class: sync.on === false ? "bad-text" : sync.on === null ? "warn-text" : "" }, on);
}

export function units(list) {
  if (list.length === 0) return h("tbody", {}, h("tr", {}, h("td", { class: "empty" }, "None yet.")));
  return [
    head("Unit", "Owner", "Epoch"),
    h("tbody", {}, list.map((u) => h("tr", {},
      h("th", { scope: "row" }, u.name === "*" ? "* (the rest)" : u.name),
      h("td", {}, u.owner || h("span", { class: "bad-text" }, `nobody${u.since_ms ? ` for ${span(u.since_ms)}` : ""}`), !u.owner && h("span", { class: "sub" }, u.why)),
      h("td", {}, u.epoch)))),
  ];
}

export function events(list) {
  if (list.length === 0) return h("li", {}, h("span", { class: "empty" }, "None yet."));
  const today = new Date().toDateString();
  return list.map((e) => {
    const at = new Date(e.at);
    return h("li", {}, h("time", { datetime: e.at }, at.toDateString() === today ? clock(at) : at.toISOString().slice(0, 10)),
      h("div", {}, e.what, e.why && h("span", { class: "sub" }, e.why)));
  });
}
