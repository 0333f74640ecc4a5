// The page of one node. It asks the API, and draws what it says; it changes nothing.
// What is old is shown as old: when the node does not answer, the page says so and
// greys what it had.
import { h, byID, show, millis, span, count, clock } from "./dom.js";
import { drawRing } from "./ring.js";
import { Chart, roundUp } from "./chart.js";
import * as panels from "./panels.js";

const every = 1000;      // ms between two questions
const patience = 4000;   // ms that an answer may take
const quiet = 3000;      // ms without an answer until that is said
const kept = 310;        // samples: ten minutes and a little
const keptEvents = 100;

const state = { samples: [], events: [], answered: Date.now(), edges: new Map(), error: "", started: "" };
const queries = new Chart("Queries per second", (v) => (typeof v === "object" ? `${v.high.toFixed(0)} per s` : count(Math.round(v * 10) / 10)), 96);
byID("queries").append(queries.element);

async function ask(path) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(patience), cache: "no-store" });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${answer.statusText}`);
  return answer.json();
}

async function look() {
  const after = state.samples.at(-1)?.seq ?? 0, seen = state.events[0]?.index ?? 0;
  const [status, map, history, events] = await Promise.all([
    ask("/v1/status"), ask("/v1/topology"), ask(`/v1/history?after=${after}`), ask(`/v1/events?after=${seen}&limit=${keptEvents}`)]);
  const heal = status.operation?.kind === "heal" ? (await ask("/v1/heal")).heal?.steps : null;
  if (state.started !== history.started) Object.assign(state, { started: history.started, samples: after === 0 ? [] : (await ask("/v1/history?after=0")).samples, events: [] });
  else state.samples = [...state.samples, ...history.samples].slice(-kept);
  if (state.samples.length === 0) state.samples = history.samples;
  state.events = [...events.events.reverse(), ...state.events].slice(0, keptEvents);
  draw(status, map, heal);
}

function draw(status, map, heal) {
  byID("title").textContent = status.ring ? `sqlring · ${status.ring}` : "sqlring";
  document.title = status.health === "ok" ? byID("title").textContent : `${status.health}: ${byID("title").textContent}`;
  byID("health").className = panels.healthClass(status.health);
  if (byID("health").textContent !== status.health) byID("health").textContent = status.health;
  byID("where").textContent = `node ${status.node} · ${status.leader === status.node ? "it leads" : status.leader ? `${status.leader} leads` : "nobody leads"} · ${clock(status.at)}`;
  byID("reasons").hidden = status.health === "ok";
  byID("reasons").classList.toggle("bad", status.health === "down");
  show(byID("reasons"), { reasons: status.reasons, next: status.next }, panels.reasons);
  show(byID("ring-body"), { ring: status.ring, members: status.members.map(drawn), edges: map.edges, units: status.units.map((u) => ({ owner: u.owner })) }, drawRing);
  show(byID("operation"), { operation: status.operation, step: status.step && { ...status.step, at: null }, heal }, panels.operation);
  show(byID("members"), { members: status.members.map(({ age_ms, reach_since_ms, lag, ...m }) => ({ ...m, level: lag.level, level_why: lag.why })), stride: status.stride }, panels.members);
  show(byID("units"), status.units, panels.units);
  show(byID("events"), state.events, panels.events);
  show(byID("admissions"), { list: status.admissions, owned: status.units.some((u) => u.owner) }, panels.admissions);
  drawLoad(status.proxy);
  drawLags(map.edges);
}

const drawn = (m) => ({ name: m.name, addr: m.addr, state: m.state, reach: m.reach, why: m.why, owns: m.owns, slot: m.slot, read_only: m.read_only, level: m.lag.level });

function drawLoad(proxy) {
  const rates = state.samples.map((x, i, all) => {
    const before = all[i - 1];
    const rate = before && x.queries >= before.queries ? ((x.queries - before.queries) * 1000) / (Date.parse(x.at) - Date.parse(before.at)) : null;
    return { at: Date.parse(x.at), low: 0, high: rate };
  });
  const now = rates.at(-1)?.high ?? null;
  const refused = Object.values(proxy.refused).reduce((a, b) => a + b, 0);
  show(byID("numbers"), [
    [now === null ? "–" : count(Math.round(now)), "queries/s"], [count(proxy.sessions), "sessions"],
    [count(proxy.queued), "statements wait", proxy.queued > 0 ? "warn" : ""], [count(refused), "refused since start"]], panels.numbers);
  const most = Math.max(0, ...rates.map((p) => p.high ?? 0));
  queries.set(rates, roundUp(Math.max(10, most)), most > 0 ? `most ${Math.round(most)}` : "");
}

function drawLags(edges) {
  const names = edges.filter((e) => e.meant).map((e) => [e.meant, e.member]);
  const stands = new Set(names.map(([origin, member]) => `${origin} → ${member}`));
  for (const e of state.samples.flatMap((x) => x.edges)) { // those that were before a member went out
    if (!names.some(([origin, member]) => origin === e.origin && member === e.member)) names.push([e.origin, e.member]);
  }
  const points = new Map(names.map(([origin, member]) => [`${origin} → ${member}`, state.samples.map((x) => {
    const e = x.edges.find((one) => one.origin === origin && one.member === member);
    return { at: Date.parse(x.at), low: e?.low_ms ?? 0, high: e?.high_ms ?? null };
  })]));
  const top = roundUp(Math.max(200, ...[...points.values()].flat().map((p) => p.high ?? 0)));
  for (const name of points.keys()) {
    if (!state.edges.has(name)) state.edges.set(name, new Chart(name, (v, axis) => (typeof v === "object" ? `${millis(v.low)} to ${millis(v.high)}` : axis && v === 0 ? "0" : millis(v))));
  }
  for (const name of state.edges.keys()) if (!points.has(name)) state.edges.delete(name);
  const figures = [...points.keys()].map((name) => state.edges.get(name).element);
  const here = [...byID("lags").children];
  if (figures.length === 0) show(byID("lags"), "none", () => h("p", { class: "empty" }, "Nobody follows anybody."));
  else if (figures.length !== here.length || figures.some((f, i) => f !== here[i])) byID("lags").replaceChildren(...figures);
  for (const [name, list] of points) {
    const now = list.at(-1), most = Math.max(0, ...list.map((p) => p.high ?? 0));
    state.edges.get(name).set(list, top, now && now.high !== null ? `now ≤ ${millis(now.high)}, most ${millis(most)}` : stands.has(name) ? "not known now" : `no edge now, most ${millis(most)}`);
  }
}

function silence() {
  const ago = Date.now() - state.answered;
  const silent = ago > quiet;
  document.body.classList.toggle("stale", silent);
  byID("silent").hidden = !silent;
  if (!silent) return;
  byID("health").className = "pill bad";
  byID("health").textContent = "no answer";
  document.title = "no answer: sqlring";
  show(byID("silent"), [Math.floor(ago / 5000), state.error], () => [
    h("b", {}, "This node does not answer. "),
    `What stands below is from ${clock(state.answered)}, ${span(ago)} ago, and says nothing of now. Another node may still serve: ask it, or look at `,
    h("code", {}, "systemctl status sqlring"), ` on this host. (${state.error})`]);
}

async function run() {
  for (;;) {
    if (!document.hidden) {
      try {
        await look();
        state.answered = Date.now();
        state.error = "";
      } catch (err) {
        state.error = err.message;
      }
      silence();
    }
    await new Promise((done) => setTimeout(done, every));
  }
}

ask("/v1/version").then((v) => { byID("version").textContent = `sqlring ${v.version}`; }, () => {});
run();
