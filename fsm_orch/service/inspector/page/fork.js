// A fork with another reply: which handoff its agent proposes, and what it writes. The kernel says whether that may be.
import { $, el, fill } from "./dom.js";

// Args: cut = where the run is cut, after a reply; onfork = makes the fork, or throws why not.
export function otherwise(cut, onfork) {
  const wrong = el("p.wrong", { role: "alert" });
  const handoff = el("select", {}, el("option", { value: "" }, cut.was.handoff ? `as it was: ${cut.was.handoff}` : "as it was"), cut.handoffs.map((name) => el("option", { value: name }, name)));
  const sets = el("textarea", { rows: 3, spellcheck: "false", placeholder: JSON.stringify(cut.was.changes ?? { field: "value" }) }), effects = el("input", { type: "checkbox" });
  const form = el("form.card", {}, el("h2", { id: "otherwise-title" }, `Another reply of ${cut.replier}: record ${cut.record}, input ${cut.at}`),
    el("label", {}, "Handoff ", handoff), el("label", {}, "What it writes instead, as JSON ", sets), el("label", {}, effects, " do again what has an effect"),
    wrong, el("div.choice", {}, el("button.yes", {}, "Fork"), el("button", { type: "button", onclick: () => $("#otherwise").close() }, "Cancel")));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const values = sets.value.trim() ? JSON.parse(sets.value) : null;
      await onfork({ at: cut.at, machine: cut.machine, handoff: handoff.value || null, sets: values, effects: effects.checked });
      $("#otherwise").close();
    } catch (error) { wrong.textContent = error.message; }
  });
  fill("#otherwise", form);
  $("#otherwise").showModal();
}
