// Elements without markup: whatever models, tools and users say becomes text, and never HTML.
const SVG = "http://www.w3.org/2000/svg";
const DRAWN = new Set(["svg", "g", "path", "rect", "text", "circle", "title", "defs", "marker"]);

export const $ = (query) => document.querySelector(query);
export const num = (n) => n.toLocaleString("en");

// `on*` are listeners, `style` an object of properties (set one by one: the page allows no inline styles), null is left out.
export function el(tag, attributes = {}, ...children) {
  const node = DRAWN.has(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value == null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, set] of Object.entries(value)) node.style.setProperty(key, set);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(9).filter((child) => child != null && child !== false).map((child) => (child instanceof Node ? child : String(child))));
  return node;
}

export const fill = (query, ...children) => { const box = typeof query === "string" ? $(query) : query; box.replaceChildren(...children.flat(9).filter((child) => child != null && child !== false)); return box; };

// A value as it was journaled, cut short: a page is no place for a megabyte.
export function shown(value, most = 400) {
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 1) ?? "";
  return text.length > most ? `${text.slice(0, most)} … ${num(text.length - most)} more characters` : text;
}

export function ago(seconds) {
  const s = Math.max(0, Math.round(Date.now() / 1000 - seconds));
  return s < 60 ? `${s} s` : s < 3600 ? `${Math.floor(s / 60)} min` : s < 86400 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 86400)} d`;
}
