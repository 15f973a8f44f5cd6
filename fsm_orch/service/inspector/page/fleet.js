// All runs at once: how many stand where, how they ended, what they took.
import * as api from "./api.js";
import { $, ago, counted, entry, fill, h, num } from "./dom.js";
import { diagram } from "./draw.js";
import { moment } from "./fold.js";

let asked = 0;

export async function fleet(machine, choose) {
  if (Date.now() - asked < 1000) return;
  asked = Date.now();
  const told = await api.get("fleet").catch(() => null);
  if (!told || document.body.dataset.view !== "fleet") return;
  const counts = { ...told.standing };
  for (const [state, count] of [...Object.entries(told.waiting), ...Object.entries(told.ended)]) counts[state] = (counts[state] ?? 0) + count;
  const run = moment([]);
  fill("#crumbs"); fill("#text");
  diagram("#diagram", machine, run, run.levels.get(""), { counts: Object.fromEntries(Object.entries(counts).map(([state, n]) => [state, n > 999 ? "999+" : n])), label: Object.entries(counts).map(([state, n]) => `${n} at ${state}`).join(", ") });
  const total = (of) => Object.values(of).reduce((a, b) => a + b, 0);
  fill("#left", h("h2", {}, "Fleet"), h("dl", { class: "sums" }, [["running", total(told.standing)], ["waiting for humans", total(told.waiting)], ["ended", total(told.ended)], ["landed", total(told.landings)]].map(([name, n]) => [h("dt", {}, name), h("dd", {}, num(n))])),
    h("p", { class: "note" }, told.is_all ? `all ${counted(told.runs, "run")}` : `the newest ${counted(told.runs, "run")}`, told.of_others ? `; ${num(told.of_others)} of other machines or versions are not counted` : ""));
  const most = Math.max(1, ...told.minutes.map((each) => each.tokens)), now = told.minutes.at(-2);
  fill("#ledger", h("div", { class: "row" }, h("div", {}, h("b", { class: "sum" }, num(now.tokens)), h("span", { class: "of" }, " tokens in the last whole minute")), h("span", {}, counted(now.runs, "run"))),
    h("svg", { class: "spark", viewBox: "0 0 100 24", preserveAspectRatio: "none", role: "img", "aria-label": `tokens of the last ten minutes: ${told.minutes.map((each) => each.tokens).join(", ")}` }, told.minutes.map((each, i) => h("rect", { x: i * 10 + 1, width: 8, y: 24 - (22 * each.tokens) / most, height: (22 * each.tokens) / most }))));
  fill("#right", h("h2", {}, "Landings"), Object.keys(told.landings).length ? h("dl", { class: "sums" }, Object.entries(told.landings).sort((a, b) => b[1] - a[1]).map(([reason, n]) => [h("dt", {}, reason), h("dd", {}, num(n))])) : h("p", { class: "note" }, "none"),
    h("h2", {}, "Most tokens"), h("ol", { class: "runs" }, told.worst.map((row) => entry(false, () => choose(row.run_id), [row.run_id.slice(0, 12), h("span", {}, num(row.tokens))], [`${counted(row.hops, "hop")}, ${row.state}`, h("span", { title: "since its last record was stored" }, ago(row.stored_at))]))));
  $("#moment").textContent = "";
}
