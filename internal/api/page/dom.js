// Making elements, and saying numbers. Text goes in as text only: nothing here, and
// nothing on this page, parses a string as HTML.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined && child !== false) node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
}

export const h = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
export const s = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);
export const byID = (id) => document.getElementById(id);

// show replaces what is in an element, but only if what it is made of has changed:
// so that focus, selection and the place scrolled to stay where they are.
const shown = new WeakMap();
export function show(element, data, draw) {
  const key = JSON.stringify(data);
  if (shown.get(element) === key) return;
  shown.set(element, key);
  element.replaceChildren(...[draw(data)].flat().filter(Boolean));
}

export function millis(ms) {
  if (ms === null || ms === undefined) return "unknown";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return ms < 60000 ? `${(ms / 1000).toFixed(1)} s` : span(ms);
}

export function span(ms) {
  const sec = Math.max(0, Math.floor(ms / 1000));
  if (sec < 60) return `${sec} s`;
  if (sec < 3600) return `${Math.floor(sec / 60)} min ${sec % 60} s`;
  return `${Math.floor(sec / 3600)} h ${Math.floor((sec % 3600) / 60)} min`;
}

export const count = (n) => (n < 10000 ? String(n) : Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(n));
export const clock = (at) => new Date(at).toLocaleTimeString("en-GB");
