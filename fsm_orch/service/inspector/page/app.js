// The inspector: which run is looked at, up to which of its records, and in which of its machines.
import * as api from "./api.js";
import { $, ago, changed, el, fill, h, reveal } from "./dom.js";
import { diagram, focus } from "./draw.js";
import { moment } from "./fold.js";
import * as panels from "./panels.js";
import { fleet, proof } from "./views.js";

const look = { view: "runs", chosen: null, upto: null, path: "", state: null, only: null }; // upto: null follows the run
let machines = {}, rows = [], leave = () => {}, run = empty(null), beside = null, others = null, queued = false, turn = 0;

function empty(id) { return { id, records: [], details: null, values: new Map(), questions: [], text: "", is_counterexample: false }; }

function later() { // one drawing a frame, however many records came
  if (queued) return;
  queued = true;
  requestAnimationFrame(() => { queued = false; show(); });
}

function show() {
  if (!machines[""]) return;
  if (changed("view", look.view)) {
    turn += 1; // what was drawn of another view is to be drawn over
    for (const button of document.querySelectorAll("button[data-view]")) button.setAttribute("aria-pressed", String(button.dataset.view === look.view));
    document.body.dataset.view = look.view;
  }
  if (look.view === "fleet") return fleet(machines[""], choose, only);
  if (look.view === "proof") return proof(machines[""], play);
  const left = $("#left"), right = $("#right");
  if (changed(left, turn, rows, minute(), look.chosen, look.only, run.is_counterexample)) fill(left, h("h2", {}, run.is_counterexample ? "Played" : "Runs", look.only ? [h("small", {}, Object.values(look.only)), h("button.beside", { onclick: () => only(null) }, "all")] : null), panels.runs(rows, look.chosen, choose, machines[""].fallback), run.is_counterexample ? null : panels.others(others, machines[""].name));
  if (changed("#text", turn, run.text, look.upto)) fill("#text", look.upto === null ? panels.streamed(run.text) : null);
  if (changed(right, turn, run, run.records.length, run.details, run.questions, look.upto, look.path, look.state, beside, beside?.records.length)) picked(right);
}

function picked(right) { // what is so after the records up to the one that is looked at
  const count = run.records.length, upto = Math.min(look.upto ?? count, count), now = moment(run.records.slice(0, upto));
  const at = now.levels.get(look.path) ?? now.levels.get(""), machine = machines[at.place] ?? machines[""];
  const marks = beside ? moment(beside.records.slice(0, look.upto ?? beside.records.length)).levels.get("").hopsTaken : [];
  fill("#ending", panels.ending(run.details?.ending, go, run.details?.row, run.records, machines[""].fallback), panels.standing(run.details?.row, run.details?.withheld, goOn));
  fill("#crumbs", crumbs(now, at));
  diagram("#diagram", machine, now, at, { marks: at.path === "" ? marks : [], onpick });
  if (changed("stands", machine, at.path, at.state, $("#diagram").clientHeight)) reveal($("#diagram"), $("#diagram .here"), 40);
  fill("#ledger", count ? panels.ledger(at, machine, now, run.details?.most) : h("p", {}, "No run yet. What is begun is seen here."));
  const list = $("#records"), follows = changed("upto", look.upto) || !list || look.upto !== null || list.scrollTop + list.clientHeight > list.scrollHeight - 60;
  fill(right, happened(upto, now));
  Object.assign($("#time"), { max: count, value: upto });
  fill("#moment", count ? `${upto}/${count}  ${now.seconds.toFixed(3)} s` : "");
  $("#now").setAttribute("aria-pressed", String(look.upto === null));
  forks(upto);
  linked();
  if (changed("record", run, upto, beside, run.values.has(upto), $("#records").clientHeight) && follows) reveal($("#records"), $("#records [aria-current=step]"));
}

function onpick(at, name, within) { // a state that is clicked on tells what it is, and shows what ran inside it
  const state = `${at.path}/${name}`;
  look.state = look.state === state && !within.length ? null : state;
  if (within.length) enter(within.at(-1).path);
  else show();
}

function enter(path) { // another machine of the tree; the focus goes to the state that was looked into, or to where the run stands
  const from = moment(run.records).levels.get(look.path)?.place.split(".").at(-2);
  look.path = path;
  show();
  focus(from);
}

function close() { // what a state is
  const [, name] = look.state.split("/");
  look.state = null;
  show();
  focus(name);
}

function alone() { // or beside its parent
  if (beside) beside = null;
  else compare(run.details.row.origin.parent);
  show();
  $("#alone").focus();
}

function shut(target) { // what is open, the last first, and the focus goes back to what opened it; then a run is followed again
  const fold = target.closest?.("details[open]") ?? $("details[open]"), path = look.state?.split("/")[0];
  if (fold) { fold.open = false; fold.firstChild.focus(); }
  else if (look.view !== "runs") return;
  else if (look.state && (path === look.path || !look.path)) close();
  else if (look.path) enter(look.path.split(".").slice(0, -1).join("."));
  else if (beside) alone();
  else go(null);
}

function picture(now) { // of the state that was clicked on
  const [path, name] = look.state?.split("/") ?? [], at = now.levels.get(path), machine = machines[at?.place], node = machine?.nodes.find((each) => each.name === name);
  return node ? panels.state(node, machine, at, run.records, go, close) : null;
}

function crumbs(now, at) {
  const parts = at.path === "" ? [] : at.path.split("."), found = ["", ...parts.map((_, i) => parts.slice(0, i + 1).join("."))];
  const named = (path) => now.levels.get(path).place.split(".").at(-1), state = (each) => each.place.split(".").slice(0, -1).join(".");
  const beside_ = at.path === "" ? [] : [...now.levels.values()].filter((each) => each.path !== at.path && state(each) === state(at));
  if (found.length === 1) return [];
  return [found.map((path, i) => h("button", { "aria-current": path === at.path ? "location" : null, onclick: () => enter(path) }, i ? `${named(path)} ${parts[i - 1]}` : machines[""].name)),
    beside_.length ? h("span", {}, "also: ", beside_.map((each) => h("button", { onclick: () => enter(each.path) }, `${named(each.path)} ${each.path}`))) : null];
}

function happened(upto, now) {
  const { row, inputs } = run.details ?? {}, parent = row?.origin?.parent, questions = look.upto === null ? run.questions : [];
  const made = upto && inputs ? inputs.findIndex((each) => each.records >= upto) : -1;
  const button = (word, onclick) => h("button.beside", { key: word, onclick }, word);
  const head = h("h2", { key: "head" }, "Records ", h("small", {}, `${upto} of ${run.records.length}${made < 0 ? "" : `, input ${made + 1} of ${inputs.length}`}`),
    parent ? h("button.beside", { key: "alone", id: "alone", onclick: alone }, beside ? "alone" : "beside its parent") : null,
    row && row.status !== "finished" ? button("cancel", () => tried(act("cancel"))) : null,
    panels.isLeft(row) && row.origin && !run.details.withheld ? button("go on", goOn) : null);
  const mine = panels.records(run.records, upto, run.values, go);
  return [asked(questions), picture(now), head, run.id ? h("p.note", { key: "id" }, "run ", h("code.whole", {}, run.id)) : null,
    h("div.scroll", { key: "records", id: "records", tabindex: 0, role: "region", "aria-label": "Records" }, beside ? h("div.two", { key: "two" }, mine, h("div", {}, h("small", {}, `of ${beside.id.slice(0, 12)}`), panels.records(beside.records, Math.min(upto, beside.records.length), null, go))) : mine)];
}

function asked(questions) { // what somebody writes stays
  const unrecorded = run.details?.unrecorded ?? {}, keys = questions.map((each) => [each.key, unrecorded[each.key]]).join(" "), open = $("#ask");
  return open?.dataset.keys === keys ? open : el("div", { id: "ask", "data-keys": keys }, questions.map((each) => panels.question(each, unrecorded[each.key], answer)));
}

function go(number) {
  const count = run.records.length;
  look.upto = number === null || number >= count ? null : Math.max(1, number);
  show();
}

function choose(id) {
  if (id === run.id && !run.is_counterexample) { look.view = "runs"; return show(); }
  leave();
  Object.assign(look, { view: "runs", chosen: id, upto: null, path: "", state: null });
  run = empty(id); beside = null;
  follow();
  details(id);
  later();
}

async function only(wanted) { // the runs of which a number of the fleet tells, or null: all
  Object.assign(look, { only: wanted, view: "runs" });
  await list();
  if (rows.length && !rows.some((row) => row.run_id === look.chosen)) choose(rows[0].run_id);
  show();
  $("#left button")?.focus();
}

function follow() {
  const of = run;
  leave = api.follow(of.id, (kind, data, number) => heard(of, kind, data, number), told, of.records.length);
}

function heard(at, kind, data, number) {
  if (at !== run) return;
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

let waiting = null; // what is asked for again while records come is asked for once in a while
function details(id) {
  if (waiting === id) return;
  waiting = id;
  setTimeout(async () => {
    if (waiting === id) waiting = null;
    if (run.id !== id || document.hidden) return;
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
    if (found.run.status === "finished") run.values.set(before, Object.entries(found.run.context)); // be it a default
    for (const [number, values] of panels.prompted(prompts, run.records, found.row.origin != null)) run.values.set(number, [...(run.values.get(number) ?? []), ...values]);
    later();
  }, 300);
}

function cutAt(upto, fits) { // the last one up to there, once all inputs up to a record that is picked are loaded
  const { cuts, inputs } = run.details ?? {};
  return look.upto === null || inputs?.at(-1).records >= upto ? cuts?.findLast((cut) => fits(cut) && inputs[cut.at - 1].records <= upto) : null;
}

const isBetween = (cut) => !cut.is_end, isReply = (cut) => cut.is_reply;

function forks(upto) { // what each would begin with, or why it cannot
  const cut = cutAt(upto, isBetween), at = cut ? run.details.inputs[cut.at - 1].records : 0, after = run.records.slice(at, upto).filter((each) => each.stamp.path.length === 0).map((each) => each.kind);
  const past = after.includes("landed") ? ", before it was landed" : after.includes("run_finished") ? ", before it ended" : "", reply = cutAt(upto, isReply);
  if (!changed("forks", cut, at, past, reply)) return;
  $("#fork").textContent = past ? `fork from record ${at}` : "fork";
  Object.assign($("#fork"), { disabled: !cut, title: cut ? `begin another run, which goes on from record ${at}${past}` : "up to here there is nowhere that a run can be cut" });
  Object.assign($("#edit"), { disabled: !reply, title: reply ? `begin another run with another reply of its agent at record ${replied(reply)}` : "no agent has replied up to here, so there is no reply to change" });
}

function linked() { // a link to what is looked at; who has it still needs a token of their own
  const of = run.id === null ? "" : `#${new URLSearchParams({ run: run.id, ...(look.upto === null ? {} : { record: look.upto }) })}`;
  if (changed("link", of) && (run.id !== null || run.is_counterexample)) history.replaceState(null, "", location.pathname + of);
}

async function wanted() { // which run a link names, if there is such a one of this machine
  const link = new URLSearchParams(location.hash.slice(1)), id = link.get("run"), record = Number.parseInt(link.get("record"), 10), upto = record > 0 ? record : null;
  if (!id || (id === run.id && upto === look.upto)) return false;
  const found = await tried(api.get(`runs/${encodeURIComponent(id)}`));
  if (!found) return false;
  choose(id);
  run.details = found; // which is asked for again only if it has changed
  look.upto = upto;
  later();
  return true;
}

const replied = (cut) => run.details.inputs[cut.at - 2].records + 1; // the first record of its reply

const act = (what, body) => api.post(`runs/${encodeURIComponent(run.id)}/${what}`, body);
const tried = (made) => made.catch((error) => told("problem", error));
async function goOn(effects) {
  await tried(act(`resume?effects=${effects === true}`));
  details(run.id);
  later();
}
async function answer(question, given) {
  await act("answer", { question, answer: given });
  run.questions = [];
  details(run.id);
  later();
}
async function fork(body) { // throws why not
  const made = await act("fork", body);
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
  Object.assign(look, { view: "runs", chosen: null, upto: 1, path: "", state: null });
  run = { ...empty(null), records: example.records, is_counterexample: true }; beside = null;
  show();
}

let since = 0;
function told(state, error) { // a problem stays for a while
  if (state === "live" && Date.now() - since < 8000) return;
  since = state === "problem" ? Date.now() : 0;
  const live = fill("#live", error && state !== "reconnecting" ? error.message : state);
  if (live.className !== state) live.className = state;
}

const minute = () => rows.map((row) => ago(row.stored_at)).join();
async function list() {
  try {
    const found = await api.get(look.only ? `runs?${new URLSearchParams(look.only)}` : "runs");
    if (changed("rows", JSON.stringify(found))) rows = found;
    const row = rows.find((each) => each.run_id === run.id); // a run that stops has no record of it
    if (row && run.details && JSON.stringify(row) !== JSON.stringify(run.details.row)) details(run.id);
    if (look.chosen === null && rows.length && look.view === "runs" && !run.is_counterexample && !(await wanted())) choose(rows[0].run_id);
    told("live");
  } catch (error) { told("reconnecting", error); }
}

document.addEventListener("click", (event) => { const view = event.target.closest("button[data-view]"); if (view) { look.view = view.dataset.view; show(); } });
$("#time").addEventListener("input", (event) => go(Number(event.target.value)));
$("#now").addEventListener("click", () => go(null));
$("#prev").addEventListener("click", () => go((look.upto ?? run.records.length) - 1));
$("#next").addEventListener("click", () => look.upto !== null && go(look.upto + 1));
$("#fork").addEventListener("click", () => tried(fork({ at: cutAt(look.upto ?? run.records.length, isBetween).at })));
$("#edit").addEventListener("click", () => { const cut = cutAt(look.upto ?? run.records.length, isReply); panels.otherwise({ ...cut, ...run.details.repliers[cut.at], record: replied(cut), was: run.details.inputs[cut.at - 1].input }, fork); });
$("#theme").addEventListener("click", () => { const { dataset } = document.documentElement, was = dataset.theme ?? (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark"); dataset.theme = was === "light" ? "dark" : "light"; localStorage.setItem("fsm-orch-theme", dataset.theme); });
addEventListener("keydown", (event) => {
  const { key, target } = event, { tagName, type } = target, slides = type === "range";
  if ($("dialog[open]") || event.ctrlKey || event.metaKey || event.altKey || (["INPUT", "TEXTAREA", "SELECT"].includes(tagName) && !slides)) return;
  if (key === "Escape") shut(target);
  else if (look.view !== "runs" || slides || target.closest?.("#diagram")) return; // what is not seen stays where it is, and a slider and a diagram have their own arrows
  else if (key === "ArrowLeft") $("#prev").click();
  else if (key === "ArrowRight") $("#next").click();
});
if (localStorage.getItem("fsm-orch-theme")) document.documentElement.dataset.theme = localStorage.getItem("fsm-orch-theme");

machines = await api.get("machine");
for (const [query, text] of [["#machine", machines[""].name], ["#digest", machines[""].digest.slice(0, 12)], ["#about", machines[""].about]]) $(query).textContent = text;
document.title = `${machines[""].name} · fsm_orch`;
others = await api.get("others");
show();
addEventListener("hashchange", wanted);
document.addEventListener("visibilitychange", () => { // who looks elsewhere costs the service nothing
  leave();
  if (!document.hidden && run.id) { run.text = ""; follow(); details(run.id); }
});
for (;;) {
  if (!document.hidden) { await list(); if (look.view !== "proof") later(); }
  await new Promise((resolve) => setTimeout(resolve, 1500));
}
