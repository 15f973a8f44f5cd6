// What stands around the diagram: runs, records in words, the ledger, a state, what a human is asked, and the form of a fork.
import { $, ago, counted, el, entry, fill, h, joined, num, pairs, shown } from "./dom.js";
import { about } from "./draw.js";

const TONES = { visit_started: "blue", call_reserved: "amber", call_settled: "amber", call_denied: "red", overspent: "red", refused: "red", guard_raised: "red", attempt_failed: "red", handed_off: "cyan", landed: "amber", run_finished: "green", asked: "violet", approved: "violet", answered: "violet", gates_seen: "red" };

// What a run takes at most when it ends: from where it stands, or as is proved of every run, if that is less.
function worst(at, run, proved, over) {
  const spent = at.settled + at.reserved, stands = spent + (over ? 0 : at.ahead), most = proved ? Math.max(spent, proved.tokens + run.overrun) : stands;
  return most < stands ? [most, "proved of every run"] : [stands, "from where it stands"];
}

export const MEANS = {
  settled: "charged: calls that are over",
  reserved: "set aside for calls that are under way, and given back if they take less",
  "ahead at most": "what may still be charged beside these before the run ends; nothing once it has",
};

// Args: most = by place, the tokens and seconds that no run takes more of, once they are loaded.
export function ledger(at, machine, run, most) {
  const all = at.settled + at.reserved + at.remaining, spent = at.settled + at.reserved, { hops } = machine.limits, proved = most?.[at.place];
  const over = machine.nodes.some((node) => node.name === at.state && node.kind !== "state"); // it has come to an end, though the record of that is the next
  const [total, why] = worst(at, run, proved, over), ahead = total - spent, seconds = proved?.seconds ?? machine.limits.deadline_s;
  const bar = (tone, amount) => h("i", { class: tone, style: { width: `${Math.min(100, (100 * amount) / Math.max(1, all))}%` } });
  const key = (tone, name, amount) => h("span", { title: MEANS[name] }, h("i", { class: tone }), `${name} `, h("b", {}, num(amount)));
  const used = (i) => (at.landing ? i < at.hops - 1 || i === hops - 1 : i < at.hops);
  return [
    h("div.row", {}, h("div", {}, h("b.sum", {}, num(spent)), h("span.of", {}, ` of ${num(all)} tokens`)),
      h("span", {}, over ? `ended after ${run.seconds.toFixed(2)} s of at most ${num(seconds)} s; waiting for people is not counted` : at.state === null ? "" : `at most ${num(total)} when it ends, ${why}`)),
    h("div.bar", { role: "img", "aria-label": `${num(at.settled)} settled, ${num(at.reserved)} reserved, at most ${num(ahead)} ahead, of ${num(all)}` }, bar("settled", at.settled), bar("reserved", at.reserved), bar("ahead", ahead)),
    h("div.keys", {}, key("settled", "settled", at.settled), key("reserved", "reserved", at.reserved), key("ahead", "ahead at most", ahead),
      h("span.hops", { title: at.landing ? "the hop that is kept for landing was used" : "the last hop is kept for landing" }, "hops ", hops <= 24 ? [...Array(hops)].map((_, i) => h("u", { class: used(i) ? "on" : i === hops - 1 ? "kept" : "" })) : null, h("b", {}, `${at.hops}/${hops}`))),
  ];
}

// How a run ended: in the service's words, with the way to the record that led there, and what it took of what it may.
export const ending = (ended, onpick, row, list, fallback) => ended && h("div.ending", { class: ended.state === fallback ? "amber" : "green" },
  h("p", {}, h("b", {}, `${ended.landing ? "Landed" : "Ended"} in ${ended.state}`), ended.landing ? [`, since ${ended.landing.why}. `, h("button.beside", { onclick: () => onpick(ended.landing.led_by) }, `what led there: record ${ended.landing.led_by}`)] : way(list)),
  ended.landing && ended.used_before ? h("p", {}, `Used before: ${ended.used_before}. What they did stands${/\d unanswered/.test(ended.used_before) ? "; what is unanswered may not have begun" : ""}${ended.used_before.includes(", not approved") ? "; what was not approved did not begin" : ""}.`) : null,
  h("p.detail", {}, `It took ${ended.used}; ${ended.most}. ${when(row)}`));

const way = (list) => list.filter((record) => record.kind === "handed_off" && !record.stamp.path.length).slice(-1).map((last) => `, from ${last.source} by ${last.handoff}`);
const clock = (seconds) => new Date(seconds * 1000).toLocaleString();
const when = (row) => `Begun ${clock(row.began_at)}, ended ${clock(row.stored_at).replace(/.*, /, (day) => (clock(row.began_at).startsWith(day) ? "" : day))}.`;

export const isLeft = (row) => row?.status === "running" && !row.is_driven;
// Of a run that nobody drives: where it stands, and what a fork has stopped at.
export const standing = (row, withheld, ongo) => isLeft(row) && h("div.ending.violet", {},
  h("p", {}, h("b", {}, `It stands in ${row.state}, and nobody drives it`), withheld ? [`. ${withheld} `, h("button.beside", { onclick: () => ongo(true) }, "go on, with its effects")] : null));

const sentence = (text) => text.replace(/[^.!?]$/, "$&.");
const tokens = (n) => `${num(n)} tokens`;
// Of each kind of record: a line, parts of it that are bold in an array, and a detail.
const said = {
  run_started: (r) => [["begins ", [r.machine]], `limits ${counted(r.limits.hops, "hop")}, ${tokens(r.limits.tokens)}`],
  visit_started: (r) => [[[r.stamp.state], r.visits > 1 ? ` again, visit ${r.visits}` : ""], r.legal.length ? `menu: ${r.legal.join(", ")}` : "nothing is legal"],
  call_reserved: (r) => [[`call ${r.call} reserves `, [num(r.input_tokens + r.output_tokens)]], joined([r.model, `${num(r.input_tokens)} in + ${num(r.output_tokens)} out at most`, r.waited_s > 0 && `waited ${r.waited_s.toFixed(2)} s at a gate`])],
  call_settled: (r) => [[`call ${r.call} took `, [num(r.tokens)]], joined([r.usage ? `${num(r.usage.input_tokens)} in, ${num(r.usage.output_tokens)} out` : "usage unknown: charged in full", r.seconds && `${r.seconds.toFixed(2)} s`, r.cost && `$${(r.cost / 1e6).toFixed(6)}`, r.overrun && `${num(r.overrun)} beyond what was reserved`])],
  call_denied: (r) => [[`call ${r.call} denied`], `${r.reason}; nothing was sent`],
  call_released: (r) => [[`call ${r.call} cost nothing`], "its reservation was released"],
  overspent: (r) => [[`call ${r.call} of `, [r.source], ` took ${num(r.tokens)} more`], "known after it had been charged"],
  refused: (r) => [["refused ", [r.handoff ?? "the reply"]], `${r.reason}: ${r.is_repaired ? `${sentence(r.detail)} It is asked again.` : r.detail}`],
  guard_raised: (r) => [["the guard of ", [r.handoff], " raised"], r.detail],
  attempt_failed: (r) => [["failed: ", [r.reason]], r.is_retried ? `${sentence(r.detail)} It is tried again.` : r.detail],
  handed_off: (r) => [[[r.handoff], ` → ${r.target}`], r.written.length ? `wrote ${r.written.join(", ")}` : ""],
  landed: (r) => [["landed in ", [r.target]], `${r.reason}${r.detail ? `: ${r.detail}` : ""}`],
  asked: (r) => [["asks ", [r.asks.map((each) => each.name || "a human").join(", ")]], r.is_race ? `the first ${r.need} that succeed are enough` : ""],
  approved: (r, name) => [[`use ${r.ask} approved: `, [name]], r.who ? `by ${r.who}` : ""],
  answered: (r, name) => [[`ask ${r.ask} ${r.end}: `, [name]], joined([r.ok ? "" : ["unneeded", "declined"].includes(r.end) ? "not used" : "not well", r.who && `by ${r.who}`, r.tokens && tokens(r.tokens)])],
  gates_seen: (r) => [["shut: ", [r.shut.join(", ") || "nothing"]], ""],
  run_finished: (r) => [["ends in ", [r.stamp.state]], r.landing ? "with the default answer" : ""],
};

const whole = (value) => shown(value, 4000);

const told = new WeakMap(); // by record: how it was told last, which is the same until it is picked
// Args: values = by record number, what its input holds, where that has been loaded.
export const records = (list, upto, values, onpick) => {
  const asks = new Map(), named = ({ stamp, ask }) => `${stamp.path} ${ask}`; // what was asked for, by where and its number
  return h("ol.records", {}, list.map((record, i) => {
    for (const { ask, name } of record.asks ?? []) asks.set(named({ ...record, ask }), name || "a human");
    const is = i === upto - 1 ? "at" : i >= upto ? "later" : null, held = is === "at" ? values?.get(i + 1) : null, had = told.get(record);
    if (had?.is === is && had.held === held) return had.row;
    const row = line(record, i, is, held, onpick, asks.get(named(record)));
    told.set(record, { is, held, row });
    return row;
  }));
};

function line(record, i, is, held, onpick, name) {
  const [words, detail] = (said[record.kind] ?? ((r) => [[r.kind], ""]))(record, name);
  return h("li.record", { key: i, class: [TONES[record.kind] ?? "faint", is], "aria-current": is === "at" ? "step" : null, style: { "--depth": record.stamp.path.length } },
    h("button.to", { onclick: () => onpick(i + 1) }, h("time", {}, record.stamp.at.toFixed(3)), h("span.knob", {}), h("span.told", {}, h("span.line", {}, words.map((part) => (Array.isArray(part) ? h("b", {}, part[0]) : part))), detail ? h("span.detail", {}, detail) : null)),
    held ? h("dl.held", {}, pairs(held, whole)) : null);
}

// What a state is, its ways on, and the records of its visits.
export function state(node, machine, at, list, onpick, onclose) {
  const ways = machine.edges.filter((edge) => edge.source === node.name), is = ({ kind, stamp }) => (kind === "visit_started" || kind === "run_finished") && stamp.state === node.name && stamp.path.join(".") === at.path;
  const visits = list.flatMap((record, i) => (is(record) ? [i + 1] : []));
  return h("section.card", { key: "state", id: "state", "aria-label": node.name }, h("p", {}, h("b", {}, node.name), " ", h("button.beside", { onclick: onclose }, "close")), h("small", {}, joined([node.sub, node.tools?.length && `tools: ${node.tools.join(", ")}`, node.where], "; ")),
    h("dl.held", {}, pairs(ways.map((edge) => [`${edge.handoff} → ${edge.target}`, joined(about(edge), "; ") || "no guard"]))),
    visits.length ? h("p", {}, "visits: ", visits.map((number) => [h("button.beside", { onclick: () => onpick(number) }, `record ${number}`), " "])) : h("p", {}, "not visited"));
}

// Text as it comes: a screen reader reads each sentence once, when it is whole.
export function streamed(text) {
  const whole = text.match(/[^.!?\n]*[.!?\n]+\s+/g) ?? [], rest = text.slice(whole.join("").length);
  return text ? h("blockquote", {}, whole.map((each, i) => h("span", { key: i }, each)), h("span", { key: "rest", "aria-hidden": "true" }, rest)) : null;
}

// What an input holds that its records do not: values, arguments and results.
export function held(input) {
  const found = [];
  for (const [name, value] of Object.entries(input.context ?? {})) found.push([name, value]);
  for (const [name, value] of Object.entries(input.changes ?? {})) found.push([name, value]);
  for (const message of input.messages ?? []) found.push([message.role, message.content]);
  for (const request of input.requests ?? []) found.push([request.name ?? request.part ?? "a human", request.arguments ?? request.context ?? request.question ?? ""]);
  if ("value" in input) found.push(["result", input.value]);
  return found;
}

// What was kept of the prompts of a run, or how they would be, by the number of the record that settles the call.
// Args: isFork = whether calls of its parent, kept there, may be among the records.
export function prompted(prompts, records, isFork) {
  const call = (path, visit, number) => `${path.join(".")}/${visit}/${number}`;
  const kept = new Map(prompts.map((each) => [call(each.path ?? [], each.visit, each.call), each])), found = [];
  records.forEach((record, i) => {
    const each = ["call_settled", "call_released"].includes(record.kind) && kept.get(call(record.stamp.path, record.stamp.hops, record.call));
    if (!each && record.kind === "call_settled") found.push([i + 1, [["prompt", `${prompts.length ? "none of this call is kept" : "none are kept: give its runner on_prompt=Recorder(store)"}${isFork ? "; a fork keeps its own alone, and its parent those before" : ""}`]]]);
    if (each) found.push([i + 1, [...each.messages.map((said) => [said.role, joined([said.content, ...(said.tool_calls ?? []).map((use) => `${use.name}(${use.arguments})`)], "\n")]), ["reply", each.reply ?? "none"]]]);
  });
  return found;
}

export function runs(rows, chosen, onpick, fallback) {
  return h("ol.runs", {}, rows.map((row) => {
    const word = row.status === "finished" ? row.state : row.status, tone = row.status === "waiting" ? "violet" : row.status === "running" ? "blue" : row.state === fallback ? "amber" : "green";
    return entry(row.run_id === chosen, () => onpick(row.run_id), [row.run_id.slice(0, 12), h("span.pill", { class: tone }, word)], [`${counted(row.hops, "hop")}${row.origin ? ", a fork" : ""}`, h("span", { title: `begun ${clock(row.began_at)}; stored last ${clock(row.stored_at)}, ${ago(row.stored_at)} ago` }, `${num(row.tokens)} tok · ${ago(row.stored_at)}`)], row.run_id, row.about);
  }));
}

// Args: found = how many of the newest runs of the store are not of this machine as it is.
export const others = (found, name) => (found?.runs ? h("p.note", {}, `${found.is_all ? "" : "at least "}${num(found.runs)} more in the store, of another machine, or of another version of ${name}. fsm-orch runs list names them; fsm-orch inspect with their machine shows them.`) : null);

// A form whose answer the service checks; what is wrong with it is told there.
// Args: give = is called with the button that was pressed, and throws why not.
function card(attributes, give, ...parts) {
  const wrong = el("p.wrong", { role: "alert" });
  const onsubmit = (event) => {
    event.preventDefault();
    give(event.submitter).catch((error) => { wrong.textContent = error.message; });
  };
  return el("form.card", { ...attributes, onsubmit }, parts, wrong);
}

// A question as its form says it: a button for each of few answers, or fields.
// Args: unrecorded = the tool that a fork would not use after a yes; null: it would use it, or none.
export function question(asked, unrecorded, onanswer) {
  const { properties, type } = asked.form, fields = Object.entries(properties ?? { value: asked.form }).map(([name, schema]) => ({ name, schema, input: field(name, schema) }));
  const choices = type === "boolean" ? [true, false] : fields.length === 1 ? options(fields[0].schema) : null, is_few = choices?.length <= 4;
  const give = (button) => {
    const answer = Object.fromEntries(fields.map(({ name, schema, input }) => [name, is_few ? JSON.parse(button.value) : read(input, schema)]));
    return onanswer(asked.key, properties ? answer : answer.value);
  };
  const word = (choice) => (type !== "boolean" ? String(choice) : choice ? "Approve" : "Decline"), about = ({ description }) => description && el("small", {}, description);
  return card({ "aria-label": asked.text }, give, el("small", {}, `${asked.state} waits for you${asked.expires_at ? ` until ${clock(asked.expires_at)}` : ""}`), el("p", {}, asked.text),
    Object.keys(asked.shown ?? {}).length ? el("dl.held", {}, pairs(Object.entries(asked.shown), whole)) : null,
    unrecorded ? el("p.note", {}, `This is a fork: it begins only what has a recorded reply, and this use of ${unrecorded} has none. After a yes it stands, until it goes on with its effects.`) : null,
    is_few ? [properties && about(fields[0].schema), el("div.choice", {}, choices.map((choice, i) => el("button", { class: !i && "yes", value: JSON.stringify(choice) }, word(choice))))] :
      [fields.map(({ name, schema, input }) => el("label", {}, el("span", {}, schema.title ?? name), about(schema), input)), el("button.yes", {}, "Answer")]);
}

function options({ enum: names, anyOf, oneOf, ...schema }) {
  const ways = (anyOf ?? oneOf ?? [schema]).map((each) => each.const);
  return names ?? (ways.includes(undefined) ? null : ways);
}

const select = (name, choices) => el("select", { name }, choices.map(([value, word]) => el("option", { value }, word)));

function field(name, schema) {
  const choices = options(schema), { type } = schema;
  if (choices) return select(name, choices.map((choice) => [JSON.stringify(choice), String(choice)]));
  if (type === "boolean") return el("input", { name, type: "checkbox" });
  if (type === "integer" || type === "number") return el("input", { name, type: "number", step: type === "integer" ? 1 : "any", required: true });
  return el("textarea", { name, rows: 2, required: true });
}

function read({ type, checked, value }, schema) {
  if (type === "checkbox") return checked;
  if (type === "number") return Number(value);
  if (schema.type === "string" && !options(schema)) return value;
  try { return JSON.parse(value); } catch { return value; }
}

// A fork with another reply: which handoff its agent proposes, and what it writes. The kernel says whether that may be.
// Args: cut = where the run is cut, after a reply; onfork = makes the fork, or throws why not.
export function otherwise(cut, onfork) {
  const { handoff: was, changes } = cut.was, handoff = select("handoff", [["", was ? `as it was: ${was}` : "as it was"], ...cut.handoffs.map((name) => [name, name])]);
  const sets = el("textarea", { rows: 3, spellcheck: "false", placeholder: JSON.stringify(changes ?? { field: "value" }) }), effects = el("input", { type: "checkbox" });
  const close = () => $("#otherwise").close();
  const give = async () => {
    const values = sets.value.trim() ? JSON.parse(sets.value) : null;
    await onfork({ at: cut.at, machine: cut.machine, handoff: handoff.value || null, sets: values, effects: effects.checked });
    close();
  };
  fill("#otherwise", card({}, give, el("h2", { id: "otherwise-title" }, `Another reply of ${cut.replier}: record ${cut.record}, input ${cut.at}`),
    el("label", {}, "Handoff ", handoff), el("label", {}, "What it writes instead, as JSON ", sets), el("label", {}, effects, " do again what has an effect"),
    el("div.choice", {}, el("button.yes", {}, "Fork"), el("button", { type: "button", onclick: close }, "Cancel"))));
  $("#otherwise").showModal();
}
