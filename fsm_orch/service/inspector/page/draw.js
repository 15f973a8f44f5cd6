// The diagram of a machine: where things stand is the server's, what of them is lit is drawn here.
import { $, counted, fill, h, joined } from "./dom.js";
import { inside } from "./fold.js";

const LEAST = 0.82; // of its size, at least: the smallest words of 11 px are 9 px then, and the stage scrolls
const short = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
const place = (at, name) => joined([at.place, name], ".");

// Args: machine as drawn by the server; run and at from `moment`; more = { marks: extra path, counts, onpick, label }.
export function diagram(query, machine, run, at, more = {}) {
  const box = $(query), tabIndex = more.onpick ? -1 : 0; // what can be picked in it has the focus instead, and scrolls it
  if (box.tabIndex !== tabIndex) Object.assign(box, { tabIndex });
  const [W, H] = machine.node, pad = 30, [wide, high] = machine.size;
  const landed = at.hopsTaken.filter((hop) => hop.handoff === null), whole = [wide + 2 * pad, high + 2 * pad + (landed.length ? 34 : 0)];
  const taken = numbered(at.hopsTaken), other = numbered(more.marks ?? []);
  const edges = machine.edges.map((edge, i) => one(edge, i, machine, at, taken, other));
  const again = () => diagram(query, machine, run, at, more);
  const size = [LEAST * whole[0], LEAST * whole[1]], fits = size[0] < 1.1 * box.clientWidth && size[1] < 1.1 * box.clientHeight;
  fill(box, fits ? null : h("button", { key: "whole", id: "whole", "aria-pressed": String(box.className === "whole"), onclick: () => { box.className = box.className ? "" : "whole"; again(); } }, "whole"),
    h("svg", { key: machine.digest, viewBox: [-pad, -pad, ...whole].join(" "), role: more.onpick ? "toolbar" : "group", "aria-label": more.label ?? said(machine, at), style: { "--wide": `${size[0]}px`, "--high": `${size[1]}px` } }, heads(),
    [0, 1, 2].map((order) => edges.filter((edge) => edge.order === order).map((edge) => edge.node)),
    landed.map((hop, i) => {
      const [d, [x, y]] = machine.nodes.find((node) => node.name === hop.source).landing;
      return h("g.edge.landing.amber", { key: `landing ${i}` }, h("path", { d, "marker-end": "url(#head-amber)" }), h("text", { x, y }, `landed: ${hop.reason}`));
    }),
    machine.nodes.map((node) => state(node, machine, run, at, more, again)), h("g", { key: "numbers" }, edges.map((edge) => edge.badge))));
}

const heads = () => h("defs", { key: "heads" }, ["plain", "cyan", "blue", "amber", "red", "violet"].map((tone) => h("marker.head", { id: `head-${tone}`, class: tone, viewBox: "0 0 8 8", refX: 6.5, refY: 4, markerWidth: 8, markerHeight: 8, markerUnits: "userSpaceOnUse", orient: "auto" }, h("path", { d: "M0,0 L8,4 L0,8 z" }))));

function numbered(hops) {
  const found = new Map();
  hops.forEach((hop, number) => { const key = `${hop.source}.${hop.handoff}`; found.set(key, [...(found.get(key) ?? []), number + 1]); });
  return found;
}

function said(machine, at) {
  const way = at.hopsTaken.map((hop) => `${hop.source}, by ${hop.handoff ?? "landing"} to ${hop.target}`).join("; ");
  return `${machine.name}, ${at.state ? `at ${at.state}` : "no run"}. ${way}`;
}

export const about = (edge) => [edge.about, edge.guard && `only if ${edge.guard}`, edge.kind !== "handoff" && `on ${edge.kind}`];

function one(edge, i, machine, at, taken, other) {
  const key = `${edge.source}.${edge.handoff}`, order = taken.get(key), beside = other.get(key);
  const here = edge.source === at.state && at.status === "running" && edge.kind === "handoff";
  const legal = here && at.legal.includes(edge.handoff), off = here && !legal;
  const failure = edge.kind !== "handoff";
  const tone = order ? "blue" : beside ? "violet" : legal ? "cyan" : failure ? "red" : "plain";
  const title = joined([`${edge.source} → ${edge.target}: ${edge.handoff}`, ...about(edge), edge.where], "\n");
  const node = h("g.edge", { key: `edge ${i}`, class: [tone, edge.mark, failure && "failure", order && "taken", beside && "beside", legal && "legal", off && "off", order?.includes(at.hopsTaken.length) && "last"] },
    h("title", {}, title), h("path", { d: edge.path, "marker-end": `url(#head-${tone})` }), edge.label && h("text", { x: edge.label[0], y: edge.label[1] }, edge.note ? `${edge.handoff} ${edge.note}` : edge.handoff));
  return { node, badge: order || beside ? number(edge, i, order, beside) : null, order: order ? 2 : beside || legal ? 1 : 0 };
}

function number(edge, i, order, beside) {
  const [x, y] = edge.number, text = (order ?? beside).join("·");
  return h("g.order", { key: i, class: order ? null : "beside" }, h("rect", { x: x - 5 - 4 * text.length, y: y - 8.5, width: 10 + 8 * text.length, height: 17, rx: 8.5 }), h("text", { x, y: y + 0.5 }, text));
}

const waits = (at) => [...at.asks.values()].some((ask) => (ask.kind === "human" || ask.is_gated) && ask.end === null);

let focused = null; // the state that had the focus last: of all states, Tab leads to one
const stop = (machine, at) => [focused, at.state].find((name) => machine.nodes.some((each) => each.name === name)) ?? machine.initial;

// Have a state of the diagram have the focus, or the one that Tab leads to.
export const focus = (name) => (document.getElementById(`state-${name}`) ?? $("#diagram .node[tabindex='0']"))?.focus();

// The state that an arrow leads to: right and left as one reads, up and down the nearest.
function towards(machine, { at: [x, y], name }, key) {
  const read = machine.nodes.toSorted((a, b) => a.at[1] - b.at[1] || a.at[0] - b.at[0]), from = read.findIndex((each) => each.name === name);
  if (key === "ArrowRight") return read[from + 1];
  if (key === "ArrowLeft") return read[from - 1];
  const way = key === "ArrowDown" ? 1 : -1, far = (each) => Math.hypot(each.at[0] - x, each.at[1] - y);
  return read.filter((each) => way * (each.at[1] - y) > 1).sort((a, b) => far(a) - far(b))[0];
}

// What makes a state a button, which is a stop of Tab together with all the others.
function button(node, machine, at, again, does, pick) {
  const onkeydown = (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key.startsWith("Arrow")) focus(towards(machine, node, event.key)?.name);
    else if (["Enter", " "].includes(event.key)) pick();
    else return;
    event.preventDefault();
  };
  const onfocus = () => { focused = node.name; again(); };
  return { id: `state-${node.name}`, tabindex: node.name === stop(machine, at) ? 0 : -1, role: "button", "aria-label": `${node.name}: ${does}`, "aria-current": node.name === at.state && "step", onclick: pick, onfocus, onkeydown };
}

function state(node, machine, run, at, more, again) {
  const [x, y] = node.at, [W, H] = machine.node, here = node.name === at.state, used = at.visits[node.name] ?? 0, seen = used > 0 || here;
  const shut = run.shut.has(place(at, node.name)), within = node.parts?.length ? inside(run, at, node.name) : [];
  const counts = more.counts?.[node.name];
  const dots = node.most && node.most <= 6 ? [...Array(node.most)].map((_, i) => h("circle.dot", { class: i < used && "used", cx: x + W / 2 - 14 - 9 * (node.most - 1 - i), cy: y - H / 2 + 13, r: 3 })) : [];
  const told = joined([node.name, node.sub, used && `${used} visits${node.most ? ` of ${node.most}` : ""}`, shut && "shut: nobody may enter now", node.tools?.length && `tools: ${node.tools.join(", ")}`, node.where], "\n");
  const pick = more.onpick && (() => more.onpick(at, node.name, within)), open = pick && within.length, waiting = here && waits(at);
  return h("g.node", { key: `state ${node.name}`, class: [node.kind, here && "here", seen && "seen", here && at.calls.size && "busy", waiting && "waits", shut && "shut", open && "opens"], ...(pick ? button(node, machine, at, again, more.counts ? counted(counts ?? 0, "run") : open ? "look inside" : "what it is", pick) : {}) },
    h("title", {}, told),
    h("rect.halo", { x: x - W / 2, y: y - H / 2, width: W, height: H, rx: 14 }), h("rect.box", { x: x - W / 2, y: y - H / 2, width: W, height: H, rx: node.kind === "state" ? 14 : H / 2 }),
    node.parts?.length ? h("rect.inner", { x: x - W / 2 + 5, y: y - H / 2 + 5, width: W - 10, height: H - 10, rx: 10 }) : null,
    h("text.name", { x, y: y - 8 }, short(node.name, 18)), h("text.sub", { x, y: y + 12 }, shut ? "shut" : waiting ? "waits for a human" : short(node.sub, 26)), dots,
    node.is_start ? h("circle.start", { cx: x - W / 2 - 12, cy: y, r: 4.5 }) : null,
    used > 1 && !dots.length ? h("text.sub", { x: x + W / 2 - 16, y: y - H / 2 + 13 }, `×${used}`) : null,
    counts ? h("g.count", {}, h("rect", { x: x + W / 2 - 22, y: y - H / 2 - 11, width: 34, height: 22, rx: 11 }), h("text", { x: x + W / 2 - 5, y: y - H / 2 + 0.5 }, counts)) : null);
}
