// The inspector: which run is looked at, up to which of its records, and in which of its machines.
import * as api from "./api.js";
import { $, el, fill, num } from "./dom.js";
import { diagram } from "./draw.js";
import { inside, moment } from "./fold.js";
import * as panels from "./panels.js";
import { fleet } from "./fleet.js";
import { otherwise } from "./fork.js";
import { proof } from "./proof.js";

const NONE = { levels: new Map(), seconds: 0, shut: new Set() };
const look = { view: "runs", chosen: null, upto: null, path: "", beside: null }; // upto: null follows the run
let machines = {}, rows = [], leave = () => {}, run = empty(null), beside = null, queued = false;

function empty(id) { return { id, records: [], details: null, values: new Map(), questions: [], text: "", is_counterexample: false }; }

function later() { // one drawing a frame, however many records came
  if (queued) return;
  queued = true;
  requestAnimationFrame(() => { queued = false; show(); });
}

function show() {
  if (!machines[""]) return;
  for (const button of document.querySelectorAll("button[data-view]")) button.setAttribute("aria-pressed", String(button.dataset.view === look.view));
  document.body.dataset.view = look.view;
  if (look.view === "fleet") return fleet(machines[""], choose);
  if (look.view === "proof") return proof(machines[""], play);
  const count = run.records.length, upto = look.upto ?? count, now = moment(run.records.slice(0, upto));
  const at = now.levels.get(look.path) ?? now.levels.get(""), machine = machines[at.place] ?? machines[""];
  const marks = beside ? moment(beside.records.slice(0, look.upto ?? beside.records.length)).levels.get("").hopsTaken : [];
  fill("#left", el("h2", {}, run.is_counterexample ? "Played" : "Runs"), panels.runs(rows, look.chosen, choose, machines[""].fallback));
  fill("#crumbs", crumbs(now, at));
  diagram("#diagram", machine, now, at, { marks: at.path === "" ? marks : [], onpick: (within) => { look.path = within.at(-1).path; show(); } });
  fill("#ledger", count ? panels.ledger(at, machine, now) : el("p", {}, "No run yet. What is begun is seen here."));
  fill("#text", run.text && look.upto === null ? el("blockquote", {}, run.text) : null);
  fill("#right", ...right(upto));
  Object.assign($("#time"), { max: count, value: upto });
  $("#moment").textContent = count ? `${upto}/${count}  ${now.seconds.toFixed(3)} s` : "";
  $("#now").setAttribute("aria-pressed", String(look.upto === null));
  $("#fork").disabled = !cutAt(upto);
  $("#edit").disabled = !replyAt(upto);
  $("#right [aria-current=step]")?.scrollIntoView({ block: "nearest" });
}

function crumbs(now, at) {
  const parts = at.path === "" ? [] : at.path.split("."), found = ["", ...parts.map((_, i) => parts.slice(0, i + 1).join("."))];
  const named = (path) => now.levels.get(path).place.split(".").at(-1), state = (each) => each.place.split(".").slice(0, -1).join(".");
  const beside_ = at.path === "" ? [] : [...now.levels.values()].filter((each) => each.path !== at.path && state(each) === state(at));
  if (found.length === 1) return [];
  return [found.map((path, i) => el("button", { "aria-current": path === at.path ? "location" : null, onclick: () => { look.path = path; show(); } }, i ? `${named(path)} ${parts[i - 1]}` : machines[""].name)),
    beside_.length ? el("span", {}, "also: ", beside_.map((each) => el("button", { onclick: () => { look.path = each.path; show(); } }, `${named(each.path)} ${each.path}`))) : null];
}

function right(upto) {
  const parent = run.details?.row.origin?.parent, asked = look.upto === null ? run.questions : [];
  const head = el("h2", {}, "Records ", el("small", {}, `${upto} of ${run.records.length}`),
    parent && !beside ? el("button", { class: "beside", onclick: () => compare(parent) }, "beside its parent") : null,
    beside ? el("button", { class: "beside", onclick: () => { beside = null; show(); } }, "alone") : null,
    run.details && run.details.row.status !== "finished" ? el("button", { class: "beside", onclick: () => act("cancel") }, "cancel") : null,
    run.details?.row.origin && !run.details.row.is_driven && run.details.row.status === "running" ? el("button", { class: "beside", onclick: () => act("resume") }, "go on") : null);
  const mine = panels.records(run.records, upto, run.values, go);
  const open = $("#ask")?.dataset.keys === asked.map((each) => each.key).join(" ") ? $("#ask") : el("div", { id: "ask", "data-keys": asked.map((each) => each.key).join(" ") }, asked.map((each) => panels.question(each, answer)));
  return [open, head, // what somebody is writing into a form stays while records come
    el("div", { class: "scroll", tabindex: 0, "aria-label": "Records" }, beside ? el("div", { class: "two" }, mine, el("div", {}, el("small", {}, `of ${beside.id.slice(0, 12)}`), panels.records(beside.records, Math.min(upto, beside.records.length), null, go))) : mine)];
}

function go(number) {
  const count = run.records.length;
  look.upto = number === null || number >= count ? null : Math.max(1, number);
  show();
}

function choose(id) {
  if (id === run.id && !run.is_counterexample) { look.view = "runs"; return show(); }
  leave();
  Object.assign(look, { view: "runs", chosen: id, upto: null, path: "" });
  run = empty(id); beside = null;
  leave = api.follow(id, (kind, data, number) => heard(run.id === id ? run : empty(id), kind, data, number), told);
  details(id);
  later();
}

function heard(at, kind, data, number) {
  if (kind === "text") at.text += data.text ?? "";
  else if (kind === "withdrawn") at.text = "";
  else if (kind === "result") { at.questions = data.waiting; details(at.id); }
  else if (kind === "error") told("problem", new Error(data.detail ?? data.title));
  else if (number !== null && number === at.records.length + 1) {
    at.records.push(data);
    if (["handed_off", "landed", "refused", "attempt_failed"].includes(kind)) at.text = "";
    if (kind === "answered" || kind === "visit_started") at.questions = [];
    details(at.id);
  }
  later();
}

let waiting = null; // what is asked for again while records come is asked for once they have come
function details(id) {
  clearTimeout(waiting);
  waiting = setTimeout(async () => {
    const of = `runs/${encodeURIComponent(id)}`;
    const [found, prompts] = await Promise.all([api.get(of, run.details), api.get(`${of}/prompts`)]).catch((error) => { told("problem", error); return []; });
    if (!found || run.id !== id) return;
    let before = 0;
    run.details = found; run.values = new Map(); run.questions = found.run.waiting;
    for (const { records, input } of found.inputs) {
      const values = panels.held(input);
      if (values.length) run.values.set(before + 1, values); // the first record that an input made tells what it was
      before = records;
    }
    for (const [number, values] of panels.prompted(prompts, run.records)) run.values.set(number, [...(run.values.get(number) ?? []), ...values]);
    later();
  }, 300);
}

const cutAt = (upto) => run.details?.cuts.findLast((cut) => !cut.is_end && run.details.inputs[cut.at - 1].records <= upto);

const replyAt = (upto) => run.details?.cuts.findLast((cut) => cut.is_reply && run.details.inputs[cut.at - 1].records <= upto);

async function act(what, body) {
  try { return await api.post(`runs/${encodeURIComponent(run.id)}/${what}`, body); } catch (error) { told("problem", error); }
}
async function answer(question, given) {
  await api.post(`runs/${encodeURIComponent(run.id)}/answer`, { question, answer: given });
  run.questions = [];
  details(run.id); later();
}
async function fork() {
  const made = await act("fork", { at: cutAt(look.upto ?? run.records.length).at });
  if (!made) return;
  await list();
  choose(made.run_id);
}
async function edited(body) {
  const made = await api.post(`runs/${encodeURIComponent(run.id)}/fork`, body);
  await list();
  choose(made.run_id);
}
async function compare(parent) {
  const other = empty(parent);
  beside = other;
  const stop = api.follow(parent, (kind, data, number) => { if (number !== null) other.records.push(data); if (kind === "result") stop(); later(); }, () => {});
}
function play(example) { // a counterexample is a run that was never run
  leave();
  Object.assign(look, { view: "runs", chosen: null, upto: 1, path: "" });
  run = { ...empty(null), records: example.records, is_counterexample: true }; beside = null;
  show();
}

function told(state, error) {
  const live = $("#live");
  live.className = state;
  live.textContent = error && state !== "reconnecting" ? error.message : state;
  if (state === "problem") setTimeout(() => told("live"), 8000);
}

async function list() {
  try {
    rows = await api.get("runs");
    if (look.chosen === null && rows.length && look.view === "runs" && !run.is_counterexample) choose(rows[0].run_id);
    told("live");
  } catch (error) { told("reconnecting", error); }
}

document.addEventListener("click", (event) => { const view = event.target.closest("button[data-view]"); if (view) { look.view = view.dataset.view; show(); } });
$("#time").addEventListener("input", (event) => go(Number(event.target.value)));
$("#now").addEventListener("click", () => go(null));
$("#prev").addEventListener("click", () => go((look.upto ?? run.records.length) - 1));
$("#next").addEventListener("click", () => look.upto !== null && go(look.upto + 1));
$("#fork").addEventListener("click", fork);
$("#edit").addEventListener("click", () => { const cut = replyAt(look.upto ?? run.records.length); otherwise({ ...cut, ...run.details.repliers[cut.at] }, edited); });
$("#theme").addEventListener("click", () => { const dark = getComputedStyle(document.documentElement).colorScheme !== "light"; document.documentElement.dataset.theme = dark ? "light" : "dark"; localStorage.setItem("fsm-orch-theme", dark ? "light" : "dark"); });
addEventListener("keydown", (event) => {
  const { tagName, type } = event.target, slides = type === "range" && event.key !== "Escape"; // arrows move a slider by themselves
  if (slides || (["INPUT", "TEXTAREA", "SELECT"].includes(tagName) && type !== "range") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "ArrowLeft") $("#prev").click();
  else if (event.key === "ArrowRight") $("#next").click();
  else if (event.key === "Escape") go(null);
});
if (localStorage.getItem("fsm-orch-theme")) document.documentElement.dataset.theme = localStorage.getItem("fsm-orch-theme");

machines = await api.get("machine");
$("#machine").textContent = machines[""].name;
$("#digest").textContent = machines[""].digest.slice(0, 12);
$("#about").textContent = machines[""].about;
document.title = `${machines[""].name} · fsm_orch`;
show();
for (;;) {
  if (!document.hidden) { await list(); if (look.view !== "proof") later(); }
  await new Promise((resolve) => setTimeout(resolve, 1500));
}
