// What is proved before any run: bounds with the path that reaches them, policies, findings, and counterexamples to play.
import * as api from "./api.js";
import { el, fill } from "./dom.js";
import { diagram } from "./draw.js";
import { choices, figures, marked, summary, tables } from "./figures.js";
import { moment } from "./fold.js";

let told = null, bound = 0, figure = null; // figure: whose figures stand on the edges, instead of a bound
const TONES = { holds: "green", violated: "red", possible: "amber", unknown: "amber", error: "red", warning: "amber", note: "faint" };

export async function proof(machine, play) {
  if (!told) {
    fill("#left", el("h2", {}, "Proof"), el("p", { class: "note" }, "proving …"));
    told = await api.get("proof").catch((error) => ({ error }));
  }
  const found = await figures().catch(() => ({}));
  if (document.body.dataset.view !== "proof") return;
  if (told.error) { fill("#left", el("h2", {}, "Proof"), el("p", { class: "wrong" }, told.error.message)); told = null; return; }
  const shown = told.bounds[bound], run = moment([]), at = { ...run.levels.get(""), hopsTaken: shown.handoffs.map((handoff, i) => ({ source: shown.states[i], target: shown.states[i + 1], handoff })) };
  for (const state of shown.states) at.visits[state] = (at.visits[state] ?? 0) + 1;
  fill("#crumbs"); fill("#text");
  if (figure) diagram("#diagram", marked(machine, figure, found[figure]), run, moment([]).levels.get(""));
  else diagram("#diagram", machine, run, at, { label: shown.in_words });
  if (figure) fill("#ledger", summary(figure, found[figure]));
  else fill("#ledger", el("div", { class: "row" }, el("span", {}, shown.in_words)), shown.verdict ? el("p", { class: "note" }, shown.verdict) : null, shown.tolls.length ? el("p", { class: "note" }, shown.tolls.join("; ")) : null);
  fill("#left", el("h2", {}, told.is_sound ? "Sound" : "Something to mend"),
    el("ol", { class: "runs" }, told.bounds.map((each, i) => el("li", {}, el("button", { class: i === bound && !figure ? "on" : "", "aria-current": i === bound && !figure ? "true" : null, onclick: () => { bound = i; figure = null; proof(machine, play); } }, el("b", {}, each.measure), el("em", {}, each.in_words.split(", visiting")[0].split(";")[0]))))),
    choices(found, figure, (name) => { figure = name; proof(machine, play); }),
    el("p", { class: "note" }, `${told.is_complete ? "all runs explored" : "not all runs were explored"}: ${told.configurations.toLocaleString("en")} configurations; at most ${told.seconds} s`),
    el("details", {}, el("summary", {}, "assuming"), el("ul", {}, told.assumptions.map((each) => el("li", {}, each)))));
  fill("#right", figure ? tables(figure, found[figure]) : null, el("h2", {}, "Policies"), told.policies.length ? el("ul", { class: "verdicts" }, told.policies.map((each) => el("li", {}, el("span", { class: `pill ${TONES[each.verdict]}` }, each.verdict), each.policy))) : el("p", { class: "note" }, "none declared"),
    told.counterexamples.map((each) => el("div", { class: "card" }, el("small", {}, `${each.policy} is ${each.verdict}`), el("p", {}, each.path), each.change ? el("p", {}, `the smallest change: ${each.change}`) : null, each.records ? el("button", { class: "yes", onclick: () => play(each) }, "Play it") : null)),
    el("h2", {}, "Findings"), told.findings.length ? el("ul", { class: "verdicts" }, told.findings.map((each) => el("li", {}, el("span", { class: `pill ${TONES[each.level]}` }, each.code), el("span", {}, each.problem, el("small", {}, `fix: ${each.fix}`))))) : el("p", { class: "note" }, "none"));
}
