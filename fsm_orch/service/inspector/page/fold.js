// What a run is after so many of its records: live and time travel are this one function, with another number.

import { joined } from "./dom.js";

// `levels` holds every machine of the tree by its path, `""` for the run itself: where it stands, and how it came there.
export function moment(records) {
  const levels = new Map([["", level("", "")]]);
  const run = { levels, seconds: 0, shut: new Set(), status: "running", overrun: 0 };
  for (const record of records) {
    const key = record.stamp.path.join("."), at = levels.get(key) ?? begun(levels, record.stamp.path);
    const { state, hops, settled, reserved, remaining, ahead } = record.stamp;
    Object.assign(at, { state, hops, settled, reserved, remaining, ahead });
    run.seconds = record.stamp.at;
    (folds[record.kind] ?? (() => {}))(at, record, run);
  }
  return run;
}

function level(path, place) {
  return { path, place, state: null, hops: 0, settled: 0, reserved: 0, remaining: 0, ahead: 0, hopsTaken: [], visits: {}, legal: [], calls: new Set(), asks: new Map(), status: "running", landing: null };
}

function begun(levels, path) {
  const around = levels.get(path.slice(0, -1).join(".")), ask = around?.asks.get(path.at(-1));
  const place = around && ask ? joined([around.place, ask.state, ask.name], ".") : "";
  const made = level(path.join("."), place);
  levels.set(made.path, made);
  return made;
}

const folds = {
  visit_started: (at, r) => { at.visits[r.stamp.state] = r.visits; at.legal = r.legal; at.calls.clear(); at.asks = new Map(); at.status = "running"; },
  call_reserved: (at, r) => at.calls.add(r.call),
  call_settled: (at, r, run) => { at.calls.delete(r.call); run.overrun += r.overrun ?? 0; },
  overspent: (_, r, run) => { run.overrun += r.tokens; },
  call_released: (at, r) => at.calls.delete(r.call),
  handed_off: (at, r) => { at.hopsTaken.push({ source: r.source, target: r.target, handoff: r.handoff }); at.legal = []; },
  landed: (at, r) => { at.hopsTaken.push({ source: r.source, target: r.target, handoff: null, reason: r.reason }); at.landing = { reason: r.reason, detail: r.detail, source: r.source }; at.legal = []; },
  asked: (at, r) => { for (const each of r.asks) at.asks.set(each.ask, { ...each, state: r.stamp.state, end: null }); },
  approved: (at, r) => { const ask = at.asks.get(r.ask); if (ask) ask.end = "approved"; },
  answered: (at, r) => { const ask = at.asks.get(r.ask); if (ask) Object.assign(ask, { end: r.end, ok: r.ok }); },
  gates_seen: (_, r, run) => { run.shut = new Set(r.shut); },
  run_finished: (at, r, run) => { at.status = "finished"; if (!r.stamp.path.length) run.status = "finished"; },
};

// The machines that ran inside a state of a level, the last one last.
export const inside = (run, at, state) => [...run.levels.values()].filter((each) => {
  const path = each.path.split("."), around = path.slice(0, -1).join(".");
  return each.path !== "" && around === at.path && each.place.split(".").at(-2) === state;
});
