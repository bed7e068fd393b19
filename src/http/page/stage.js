// The three panes: says what to try next from what the newest conversation has come to, counts down to the mail, closes and
// opens the shop. On a narrow screen one pane is shown at a time, and the others say when they have news.
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const panes = [...document.querySelectorAll(".pane")], choices = [...document.querySelectorAll(".choose button")];
  const steps = [...document.querySelectorAll(".steps li")];

  function show(name) {
    document.body.dataset.shown = name;
    for (const choice of choices) {
      choice.setAttribute("aria-pressed", String(choice.dataset.pane === name));
      if (choice.dataset.pane === name) choice.classList.remove("news");
    }
  }
  for (const choice of choices) choice.addEventListener("click", () => show(choice.dataset.pane));

  // An empty frame is a closed tab: its connection ends, and replyd sees the visitor leave.
  function leave(left) {
    $("site").src = left ? "about:blank" : $("leave").dataset.to;
    $("site").hidden = left;
    $("gone").hidden = !left;
    $("leave").hidden = left;
    ($(left ? "return" : "leave")).focus();
    look();
  }
  $("leave").addEventListener("click", () => leave(true));
  $("return").addEventListener("click", () => leave(false));

  async function read(path) {
    const answer = await fetch(path, { cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.json();
  }

  const BEGUN_WITH = 2;

  /** What has come of the conversation: the step that is next, where, and in words. */
  function next(conversation, away) {
    const said = conversation.messages.filter(({ direction }) => direction === "incoming" || direction === "outgoing");
    const last = said.at(-1), due = conversation.continuity?.due_at;
    const state = last?.delivery?.state;
    // The demo begins with a question and its answer; the story begins with what the newcomer does.
    if (said.length <= BEGUN_WITH) return ["chat", "site", ["Write to the shop as Jane, in the chat on its page."]];
    if (last.direction === "incoming" && last.via === "email") {
      return ["back", away ? "site" : "desk", ["Jane’s answer came by mail, and stands in the desk with its mark. ", away ? "Open the shop again: the chat has it too." : "The chat in the shop has it too."]];
    }
    if (last.direction === "incoming") {
      return away ? ["answer", "desk", ["Jane is gone. Answer her as Sara, at the desk."]]
        : ["leave", "site", ["The desk has it. Close the shop with ×, then answer as Sara; or answer first, and see it in the chat."]];
    }
    if (due && (state === "waiting" || !state)) {
      const left = Math.max(0, Math.ceil((Date.parse(due) - Date.now()) / 1000));
      const clock = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
      return ["mail", "mail", ["Unless Jane reads it first, Sara’s answer goes out by mail in ", bold(clock), away ? ". Open the shop again, and no mail is sent." : ". Look into the chat, and no mail is sent."]];
    }
    if (state === "delivered") return ["reply", "mail", ["Sara’s answer is in Jane’s mailbox. Answer it there, as Jane."]];
    if (state === "queued" || state === "deferred") return ["mail", "mail", ["Sara’s answer is on its way by mail."]];
    return away ? ["answer", "desk", ["Jane is gone. Answer her as Sara, at the desk."]]
      : ["leave", "site", ["Jane has seen it in the chat: no mail is needed. Close the shop with ×, then answer again as Sara."]];
  }

  function bold(text) {
    const element = document.createElement("b");
    element.textContent = text;
    return element;
  }

  let told = "", seen = {};
  function tell(step, pane, words) {
    const at = steps.findIndex((item) => item.dataset.step === step);
    steps.forEach((item, index) => {
      item.classList.toggle("done", index < at);
      if (index === at) item.setAttribute("aria-current", "step");
      else item.removeAttribute("aria-current");
    });
    for (const item of panes) item.classList.toggle("wanted", item.dataset.pane === pane);
    const text = words.map((word) => word.textContent ?? word).join("");
    if (text !== told) $("hint").replaceChildren(...words);
    told = text;
  }

  function news(marks) {
    for (const [pane, mark] of Object.entries(marks)) {
      const isShown = document.body.dataset.shown === pane;
      if (pane in seen && seen[pane] !== mark && !isShown) choices.find((choice) => choice.dataset.pane === pane).classList.add("news");
      seen[pane] = mark;
    }
  }

  async function look() {
    try {
      const { items } = await read("/api/v1/conversations?limit=1");
      if (!items.length) return;
      const conversation = await read(`/api/v1/conversations/${items[0].id}`);
      tell(...next(conversation, $("site").hidden));
      const said = conversation.messages;
      news({
        site: said.filter(({ direction }) => direction === "outgoing").length,
        desk: said.filter(({ direction }) => direction === "incoming").length,
        mail: $("mail").contentDocument?.querySelector("#mails li")?.dataset.number ?? "0",
      });
    } catch (error) {
      $("hint").textContent = error instanceof TypeError ? "The demo does not answer: it was stopped." : "The demo was started anew: load this page again.";
      told = "";
    }
  }
  look();
  setInterval(look, 1000);
})();
