// Elements without markup: whatever models, tools and users say becomes text, and never HTML.
const SVG = "http://www.w3.org/2000/svg";
const DRAWN = new Set(["svg", "g", "path", "rect", "text", "circle", "title", "defs", "marker"]);

export const $ = (query) => document.querySelector(query);
export const num = (n) => n.toLocaleString("en");
export const joined = (parts, by = ", ") => parts.filter(Boolean).join(by);
export const counted = (n, what) => `${num(n)} ${what}${n === 1 ? "" : "s"}`;

const flat = (children) => children.flat(9).filter((child) => child != null && child !== false && child !== "").map((child) => (typeof child === "object" ? child : String(child)));
const bare = (tag) => (DRAWN.has(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag));

// `on*` are listeners, `style` an object of properties (set one by one: the page allows no inline styles), null is left out.
function set(node, name, value) {
  if (name.startsWith("on")) node[name] = value;
  else if (name === "style") for (const [key, each] of Object.entries(value)) node.style.setProperty(key, each);
  else if (value == null || value === false) node.removeAttribute(name);
  else node.setAttribute(name, value === true ? "" : value);
}

// What should be there, for `fill`, as `h("p.note", attributes, children)`; a `class` may be a list. By `key` it is found again among its siblings.
export function h(named, { key, class: more, ...attributes } = {}, ...children) {
  const [tag, ...classes] = named.split(".");
  return { tag, key, attributes: { class: joined([...classes, more].flat(), " ") || null, ...attributes }, children: flat(children) };
}

// An element that is its own from then on: a form keeps what somebody writes into it.
export const el = (...words) => made(h(...words));

// One of a list to choose from.
export const entry = (is_on, onclick, bold, small, key, line) => h("li", { key }, h("button", { class: is_on && "on", "aria-current": is_on ? "true" : null, onclick }, h("b", {}, bold), line && h("span.line", {}, line), h("em", {}, small)));

// What a `dl` holds, of pairs.
export const pairs = (found, tell = (value) => value) => found.map(([name, value]) => [h("dt", {}, name), h("dd", {}, tell(value))]);

const drawn = new WeakMap(); // what was said last of what `fill` has drawn

// Have a box hold what should be there. What is so already stays as it is: focus, scrolling, and what somebody marks.
export function fill(query, ...children) {
  const box = typeof query === "string" ? $(query) : query;
  patch(box, flat(children));
  return box;
}

const key = (node) => drawn.get(node)?.key;
const fits = (node, want) => (typeof want === "string" ? node.nodeType === Node.TEXT_NODE : drawn.get(node)?.tag === want.tag && key(node) === want.key);

function patch(box, wanted) {
  const keys = new Set(wanted.map((want) => want.key)), had = new Map();
  for (const node of [...box.childNodes]) if (key(node) !== undefined) keys.has(key(node)) ? had.set(key(node), node) : node.remove();
  let next = box.firstChild;
  for (const want of wanted) {
    const found = want instanceof Node ? want : want.key !== undefined ? had.get(want.key) : next;
    const node = found === want ? want : found && fits(found, want) ? again(found, want) : made(want);
    if (node === next) next = next.nextSibling;
    else if (node.isConnected && box.isConnected && box.moveBefore) box.moveBefore(node, next); // keeps the focus
    else box.insertBefore(node, next);
  }
  while (next) { const gone = next; next = next.nextSibling; gone.remove(); }
}

function made(want) {
  if (typeof want === "string") return document.createTextNode(want);
  const node = bare(want.tag);
  drawn.set(node, { ...want, attributes: {}, children: [] });
  return again(node, want);
}

function again(node, want) {
  if (typeof want === "string") { if (node.data !== want) node.data = want; return node; }
  const had = drawn.get(node);
  if (had === want) return node;
  for (const name of Object.keys({ ...had.attributes, ...want.attributes })) {
    const was = had.attributes[name] ?? null, now = want.attributes[name] ?? null;
    if (name === "style" ? JSON.stringify(was) !== JSON.stringify(now) : was !== now) set(node, name, now);
  }
  drawn.set(node, want);
  patch(node, want.children);
  return node;
}

// Scroll a box, and nothing around it, as far as a part of it is seen.
export function reveal(box, part, margin = 0) {
  if (!part) return;
  const [to, at] = [part.getBoundingClientRect(), box.getBoundingClientRect()];
  const far = (from, end, first, last) => (from - margin < first ? from - margin - first : Math.max(0, Math.min(end + margin - last, from - margin - first)));
  box.scrollBy(far(to.left, to.right, at.left, at.left + box.clientWidth), far(to.top, to.bottom, at.top, at.top + box.clientHeight));
}

const seen = new Map();
// Whether what a panel shows is not what it showed when this was asked before.
export function changed(panel, ...shown) {
  const had = seen.get(panel);
  seen.set(panel, shown);
  return had?.length !== shown.length || shown.some((each, i) => each !== had[i]);
}

// A value as it was journaled, cut short: a page is no place for a megabyte.
export function shown(value, most = 400) {
  const flat = JSON.stringify(value) ?? "", text = typeof value === "string" ? value : flat.length < 50 ? flat : JSON.stringify(value, null, 1);
  return text.length > most ? `${text.slice(0, most)} … ${num(text.length - most)} more characters` : text;
}

export function ago(seconds) {
  const s = Math.max(0, Math.round(Date.now() / 1000 - seconds));
  return s < 60 ? `${s} s` : s < 3600 ? `${Math.floor(s / 60)} min` : s < 86400 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 86400)} d`;
}
