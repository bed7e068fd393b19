// Asks for the page every two seconds and puts its conversation in place when something is new; sends what the agent
// writes in the box.
"use strict";
(() => {
  const live = document.getElementById("live");
  const atEnd = () => innerHeight + scrollY >= document.body.scrollHeight - 80;
  const opened = () => [...document.querySelectorAll("#main details")].map((fold) => fold.open);
  let shown = document.getElementById("main").innerHTML;
  async function look() {
    try {
      const answer = await fetch("/", { cache: "no-store" });
      if (!answer.ok) throw new Error(String(answer.status));
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("main");
      if (fresh.innerHTML !== shown) {
        const follow = atEnd(), folds = opened();
        shown = fresh.innerHTML;
        document.getElementById("main").replaceWith(fresh);
        document.querySelectorAll("#main details").forEach((fold, index) => { fold.open = folds[index] ?? false; });
        if (follow) scrollTo({ top: document.body.scrollHeight, behavior: "smooth" });
      }
      live.classList.remove("lost");
    } catch {
      live.classList.add("lost");
    }
  }
  document.getElementById("answer").addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = event.target, button = form.querySelector("button"), said = form.querySelector(".said");
    button.disabled = true;
    try {
      const answer = await fetch(form.dataset.to, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ text: form.elements.text.value }),
      });
      const refusal = answer.ok ? "" : (await answer.json()).error.message;
      said.textContent = refusal;
      said.classList.toggle("refused", !answer.ok);
      if (answer.ok) form.reset();
      await look();
      if (answer.ok) scrollTo({ top: document.body.scrollHeight, behavior: "smooth" });
    } catch {
      said.textContent = "The demo does not answer.";
      said.classList.add("refused");
    } finally {
      button.disabled = false;
    }
  });
  setInterval(look, 2000);
})();
