// What the page asks of the service. The token, if one is needed, goes into a header: EventSource could not send it.
import { $, joined } from "./dom.js";

let token = null;
{
  const told = new URLSearchParams(location.hash.slice(1)), given = told.get("token"); // a fragment is sent to nobody, and logged by nobody
  told.delete("token");
  if (given !== null) { sessionStorage.setItem("fsm-orch-token", given); history.replaceState(null, "", location.pathname + (told.size ? `#${told}` : "")); }
  token = sessionStorage.getItem("fsm-orch-token");
}
const headers = (more = {}) => (token ? { Authorization: `Bearer ${token}`, ...more } : more);

async function asked(path, options = {}) {
  for (;;) {
    const answer = await fetch(`api/${path}`, { ...options, headers: headers(options.headers) });
    if (answer.status !== 401) return answer;
    await entered();
  }
}

let entering = null; // one dialog, however many requests were refused
function entered() {
  entering ??= new Promise((resolve) => {
    const door = $("#door");
    door.oncancel = (event) => event.preventDefault(); // without a token there is nothing to see
    door.onclose = () => {
      const given = $("#token").value;
      if (!given) return door.showModal();
      token = given;
      $("#token").value = "";
      sessionStorage.setItem("fsm-orch-token", token);
      entering = null;
      resolve();
    };
    door.showModal();
  });
  return entering;
}

async function problem(answer) {
  const told = await answer.json().catch(() => ({}));
  const error = new Error(joined([told.title ?? `status ${answer.status}`, told.detail, ...(told.errors ?? []).map((each) => each.msg ?? JSON.stringify(each))], " – "));
  return Object.assign(error, { code: told.code });
}

const tags = new WeakMap(); // by what was answered, what stood for it

// Args: known = an earlier answer, which comes back as it is if nothing has changed since.
export async function get(path, known = null) {
  const answer = await asked(path, { headers: tags.has(known) ? { "If-None-Match": tags.get(known) } : {} });
  if (answer.status === 304) return known;
  if (!answer.ok) throw await problem(answer);
  const found = await answer.json(), tag = answer.headers.get("ETag");
  if (tag) tags.set(found, tag);
  return found;
}

export async function post(path, body) {
  const answer = await asked(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body ?? {}) });
  if (!answer.ok) throw await problem(answer);
  return answer.json();
}

// Follow a run from its record `last`: `heard(kind, data, id)` for each event, over broken connections too.
export function follow(runId, heard, told, last = 0) {
  const leave = new AbortController();
  (async () => {
    while (!leave.signal.aborted) {
      try {
        const answer = await asked(`runs/${encodeURIComponent(runId)}/records`, { signal: leave.signal, headers: last ? { "Last-Event-ID": String(last) } : {} });
        if (answer.status === 204) return;
        if (!answer.ok) throw await problem(answer);
        told("live");
        for await (const event of events(answer.body)) {
          if (event.id) last = Number(event.id);
          heard(event.kind, JSON.parse(event.data), event.id ? last : null);
        }
        if (leave.signal.aborted) return;
      } catch (error) {
        if (leave.signal.aborted) return;
        told("reconnecting", error);
      }
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  })();
  return () => leave.abort();
}

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const event = { kind: "message", data: "" };
      for (const line of part.split("\n")) {
        if (line.startsWith("id: ")) event.id = line.slice(4);
        else if (line.startsWith("event: ")) event.kind = line.slice(7);
        else if (line.startsWith("data: ")) event.data += line.slice(6);
      }
      if (event.data) yield event;
    }
  }
}
