// Figures of other sessions on the edges: how often tests took each, and how many queries went right over it.
import * as api from "./api.js";
import { counted, entry, h, num } from "./dom.js";

let told = null; // files that were given when the service started: they change no more
export const figures = async () => (told ??= await api.get("figures"));

const NAMES = { coverage: "taken by tests", evaluation: "right routes" };
const share = (right, wrong) => (right + wrong ? `${Math.round((100 * right) / (right + wrong))} %` : "–");
const never = (edge) => (edge.times ?? edge.right + edge.wrong) === 0;

// A button for each that there is. Args: chosen = the name of one, or null; onpick = is called with a name.
export function choices(found, chosen, onpick) {
  const there = Object.keys(NAMES).filter((name) => found[name]);
  return there.length ? [h("h2", {}, "On the edges"), h("ol.runs", {}, there.map((name) => entry(name === chosen, () => onpick(name), NAMES[name], name === "coverage" ? counted(found.coverage.runs, "run") : `${num(found.evaluation.queries)} queries`)))] : null;
}

// The machine with a note on each edge, and a mark on what was never taken, or went wrong.
export function marked(machine, name, figure) {
  const by = new Map(figure.edges.map((each) => [`${each.source}.${each.handoff}`, each]));
  return { ...machine, edges: machine.edges.map((edge) => {
    const each = by.get(`${edge.source}.${edge.handoff}`);
    const note = never(each) ? "never" : name === "coverage" ? `×${num(each.times)}` : `${num(each.right)}:${num(each.wrong)}`;
    return { ...edge, note, mark: never(each) ? "never" : each.wrong ? "astray" : "gone" };
  }) };
}

export function summary(name, figure) {
  const taken = figure.edges.filter((each) => !never(each)).length, all = figure.edges.length;
  return [h("div.row", {}, h("span", {}, name === "coverage" ? `${taken} of ${all} edges were taken, in ${num(figure.runs)} runs of tests` : `${num(figure.queries)} queries of ${figure.source}${figure.model ? `, on ${figure.model}` : ""}: on each edge, right : wrong`)),
    figure.is_this_version ? null : h("p.wrong", {}, `These figures are of another version of the machine, ${figure.digest.slice(0, 12)}. Edges are matched by their names.`),
    name === "coverage" ? [reasons("refused", figure.refusals), reasons("landed", figure.landings)] : null];
}

const reasons = (label, counted) => (Object.keys(counted).length ? h("p.note", {}, `${label}: ${Object.entries(counted).map(([reason, times]) => `${reason} ${num(times)}`).join(", ")}`) : null);

export function tables(name, figure) {
  return name === "coverage" ? [h("h2", {}, "Edges"), edges(["taken"], figure, (each) => [never(each) ? "never" : num(each.times)])] :
    [h("h2", {}, "Edges"), edges(["right", "wrong", "share"], figure, (each) => [num(each.right), num(each.wrong), share(each.right, each.wrong)]),
      figure.edges.some((each) => !each.is_alone) ? h("p.note", {}, "* has another edge beside it, from and to the same states: their figures are one.") : null,
      h("h2", {}, "Where queries went"), confusion(figure)];
}

function edges(columns, figure, cells) {
  return table("Figures of each edge", ["edge", ...columns], figure.edges.map((each) => ({ mark: never(each) ? "never" : null, head: `${each.source} · ${each.handoff}${each.is_alone === false ? " *" : ""}`, cells: cells(each) })));
}

// Rows: what was expected; columns: what was reached. What is right has a frame.
function confusion(figure) {
  const is_right = (expected, reached) => (figure.labels.includes(expected) ? expected === reached : !figure.labels.includes(reached));
  return table("Where queries went", ["expected \\ reached", ...figure.reached], Object.entries(figure.matrix).map(([expected, row]) => ({
    head: expected, cells: figure.reached.map((reached) => h("span", { class: row[reached] ? (is_right(expected, reached) ? "is-right" : "is-wrong") : "faint", title: is_right(expected, reached) ? "right" : "wrong" }, num(row[reached] ?? 0))),
  })));
}

const table = (label, headings, rows) => h("div.wide", { tabindex: 0, role: "region", "aria-label": label }, h("table", {},
  h("thead", {}, h("tr", {}, headings.map((each) => h("th", { scope: "col" }, each)))),
  h("tbody", {}, rows.map(({ mark, head, cells }) => h("tr", { class: mark }, h("th", { scope: "row" }, head), cells.map((each) => h("td", {}, each)))))));
