// The views beside the runs: where all of them stand; what is proved before any of them, and figures of other sessions.
import * as api from "./api.js";
import { $, ago, counted, entry, fill, h, num, pairs } from "./dom.js";
import { diagram } from "./draw.js";
import { moment } from "./fold.js";
import { MEANS } from "./panels.js";

let asked = 0;

// Numbers with their names; where `only` shows those runs alone, a number is a button.
const sums = (found, only) => h("dl.sums", {}, pairs(found.map(([name, n, wanted]) => [name, wanted && n ? h("button.beside", { "aria-label": `${name}: ${counted(n, "run")}`, onclick: () => only(wanted) }, num(n)) : num(n)])));

export async function fleet(machine, choose, only) {
  if (Date.now() - asked < 1000) return;
  asked = Date.now();
  const told = await api.get("fleet").catch(() => null);
  if (!told || document.body.dataset.view !== "fleet") return;
  const counts = { ...told.standing };
  for (const [state, count] of [...Object.entries(told.waiting), ...Object.entries(told.ended)]) counts[state] = (counts[state] ?? 0) + count;
  const run = moment([]);
  fill("#crumbs"); fill("#text");
  diagram("#diagram", machine, run, run.levels.get(""), { counts: Object.fromEntries(Object.entries(counts).map(([state, n]) => [state, n > 999 ? "999+" : n])), onpick: (_, state) => counts[state] && only({ state }), label: Object.entries(counts).map(([state, n]) => `${n} at ${state}`).join(", ") });
  const total = (of) => Object.values(of).reduce((a, b) => a + b, 0);
  fill("#left", h("h2", {}, "Fleet"), sums([["running", total(told.standing), { status: "running" }], ["waiting for humans", total(told.waiting), { status: "waiting" }], ["ended", total(told.ended), { status: "finished" }], ["landed", total(told.landings)]], only),
    h("p.note", {}, told.is_all ? `all ${counted(told.runs, "run")}` : `the newest ${counted(told.runs, "run")}`, told.of_others ? `; ${num(told.of_others)} of other machines or versions are not counted` : ""));
  const most = Math.max(1, ...told.minutes.map((each) => each.tokens)), now = told.minutes.at(-2);
  fill("#ledger", h("div.row", {}, h("div", {}, h("b.sum", {}, num(now.tokens)), h("span.of", {}, " tokens in the last whole minute")), h("span", {}, counted(now.runs, "run"))),
    h("svg.spark", { viewBox: "0 0 100 24", preserveAspectRatio: "none", role: "img", "aria-label": `tokens of the last ten minutes: ${told.minutes.map((each) => each.tokens).join(", ")}` }, told.minutes.map((each, i) => h("rect", { x: i * 10 + 1, width: 8, y: 24 - (22 * each.tokens) / most, height: (22 * each.tokens) / most }))));
  fill("#right", h("h2", {}, "Landings"), Object.keys(told.landings).length ? sums(Object.entries(told.landings).sort((a, b) => b[1] - a[1]).map(([reason, n]) => [reason, n, { landing: reason }]), only) : h("p.note", {}, "none"),
    h("h2", {}, "Most tokens"), h("ol.runs", {}, told.worst.map((row) => entry(false, () => choose(row.run_id), [row.run_id.slice(0, 12), h("span", {}, num(row.tokens))], [`${counted(row.hops, "hop")}, ${row.state}`, h("span", { title: "since its last record was stored" }, ago(row.stored_at))], row.run_id, row.about))));
  $("#moment").textContent = "";
}

// Figures of other sessions on the edges: how often tests took each, and how many queries went right over it.
let files = null; // that were given when the service started: they change no more
const figures = async () => (files ??= await api.get("figures"));

const NAMES = { coverage: "taken by tests", evaluation: "right routes" };
const share = (right, wrong) => (right + wrong ? `${Math.round((100 * right) / (right + wrong))} %` : "–");
const never = (edge) => (edge.times ?? edge.right + edge.wrong) === 0;

// A button for each that there is. Args: chosen = the name of one, or null; onpick = is called with a name.
function choices(found, chosen, onpick) {
  const there = Object.keys(NAMES).filter((name) => found[name]);
  return there.length ? [h("h2", {}, "On the edges"), h("ol.runs", {}, there.map((name) => entry(name === chosen, () => onpick(name), NAMES[name], name === "coverage" ? counted(found.coverage.runs, "run") : `${num(found.evaluation.queries)} queries`)))] : null;
}

// The machine with a note on each edge, and a mark on what was never taken, or went wrong.
function marked(machine, name, figure) {
  const by = new Map(figure.edges.map((each) => [`${each.source}.${each.handoff}`, each]));
  return { ...machine, edges: machine.edges.map((edge) => {
    const each = by.get(`${edge.source}.${edge.handoff}`);
    const note = never(each) ? "never" : name === "coverage" ? `×${num(each.times)}` : `${num(each.right)}:${num(each.wrong)}`;
    return { ...edge, note, mark: never(each) ? "never" : each.wrong ? "astray" : "gone" };
  }) };
}

function summary(name, figure) {
  const taken = figure.edges.filter((each) => !never(each)).length, all = figure.edges.length;
  return [h("div.row", {}, h("span", {}, name === "coverage" ? `${taken} of ${all} edges were taken, in ${num(figure.runs)} runs of tests` : `${num(figure.queries)} queries of ${figure.source}${figure.model ? `, on ${figure.model}` : ""}: on each edge, right : wrong`)),
    figure.is_this_version ? null : h("p.wrong", {}, `These figures are of another version of the machine, ${figure.digest.slice(0, 12)}. Edges are matched by their names.`),
    name === "coverage" ? [reasons("refused", figure.refusals), reasons("landed", figure.landings)] : null];
}

const reasons = (label, counted) => (Object.keys(counted).length ? h("p.note", {}, `${label}: ${Object.entries(counted).map(([reason, times]) => `${reason} ${num(times)}`).join(", ")}`) : null);

function tables(name, figure) {
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

let told = null, bound = 0, figure = null; // figure: whose figures stand on the edges, instead of a bound
const TONES = { holds: "green", violated: "red", possible: "amber", unknown: "amber", error: "red", warning: "amber", note: "faint" };

const WORDS = {
  ...MEANS,
  configurations: "where a run can stand, told apart by all that decides how it goes on; each was looked at",
  "at most": "what no run exceeds; the path that is drawn comes nearest",
  slack: "the limit is never reached, so it cuts no run short; guarded: it may, and the run is landed",
  "not binding": "a higher limit would add nothing to this bound, also where runs take all of it",
  max_visits: "how often a run may enter a state",
  menu: "in a record: the handoffs that are legal there",
  wrote: "in a record: the fields that a hop has changed",
  shapes: "round: a state; a pill: an end, and the fallback, where runs land; a frame within: machines run inside; dots: its visits",
};
const legend = () => h("details", {}, h("summary", {}, "what the words mean"), h("dl", {}, pairs(Object.entries(WORDS))));

export async function proof(machine, play) {
  if (!told) {
    fill("#left", h("h2", {}, "Proof"), h("p.note", {}, "proving …"));
    told = await api.get("proof").catch((error) => ({ error }));
  }
  const found = await figures().catch(() => ({}));
  if (document.body.dataset.view !== "proof") return;
  if (told.error) { fill("#left", h("h2", {}, "Proof"), h("p.wrong", {}, told.error.message)); told = null; return; }
  const shown = told.bounds[bound], run = moment([]), at = { ...run.levels.get(""), hopsTaken: shown.handoffs.map((handoff, i) => ({ source: shown.states[i], target: shown.states[i + 1], handoff })) };
  for (const state of shown.states) at.visits[state] = (at.visits[state] ?? 0) + 1;
  fill("#crumbs"); fill("#text");
  if (figure) diagram("#diagram", marked(machine, figure, found[figure]), run, moment([]).levels.get(""));
  else diagram("#diagram", machine, run, at, { label: shown.in_words });
  if (figure) fill("#ledger", summary(figure, found[figure]));
  else fill("#ledger", h("div.row", {}, h("span", {}, shown.in_words)), shown.sum.length ? h("p.note", {}, `${shown.sum.join("; ")}; ${told.cost}`) : null, shown.verdict ? h("p.note", {}, shown.verdict) : null, shown.tolls.length ? h("p.note", {}, shown.tolls.map((each) => (each.endsWith("is not binding") ? `${each}: a higher one would add nothing` : each)).join("; ")) : null);
  fill("#left", h("h2", {}, told.is_sound ? "Sound" : "Something to mend"),
    h("ol.runs", {}, told.bounds.map((each, i) => entry(i === bound && !figure, () => { bound = i; figure = null; proof(machine, play); }, each.measure, each.in_words.split(", visiting")[0].split(";")[0]))),
    choices(found, figure, (name) => { figure = name; proof(machine, play); }),
    h("p.note", {}, `${told.is_complete ? "all runs explored" : "not all runs were explored"}: ${told.configurations.toLocaleString("en")} configurations; at most ${told.seconds} s`),
    legend(), h("details", {}, h("summary", {}, "assuming"), h("ul", {}, told.assumptions.map((each) => h("li", {}, each)))));
  fill("#right", figure ? tables(figure, found[figure]) : null, h("h2", {}, "Policies"), told.policies.length ? h("ul.verdicts", {}, told.policies.map((each) => h("li", {}, h("span.pill", { class: TONES[each.verdict] }, each.verdict), h("span", {}, each.policy.split(/(?<=\))(?=\.)/).map((part) => [part, h("wbr")]))))) : h("p.note", {}, "none declared"),
    told.counterexamples.map((each) => h("div.card", {}, h("small", {}, `${each.policy} is ${each.verdict}`), h("p", {}, each.path), each.change ? h("p", {}, `the smallest change: ${each.change}`) : null, each.records ? h("button.yes", { onclick: () => play(each) }, "Play it") : null)),
    h("h2", {}, "Findings"), told.findings.length ? h("ul.verdicts", {}, told.findings.map((each) => h("li", {}, h("span.pill", { class: TONES[each.level] }, each.code), h("span", {}, each.problem, h("small", {}, `fix: ${each.fix}`))))) : h("p.note", {}, "none"));
}
