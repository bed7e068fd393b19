// Asks for the page every two seconds and puts its conversation in place when something is new.
"use strict";
(() => {
  const live = document.getElementById("live");
  const messages = (root) => root.querySelectorAll(".message").length;
  const atEnd = () => innerHeight + scrollY >= document.body.scrollHeight - 80;
  async function look() {
    try {
      const answer = await fetch("/", { cache: "no-store" });
      if (!answer.ok) throw new Error(String(answer.status));
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (messages(fresh) !== messages(document)) {
        const follow = atEnd();
        document.getElementById("main").replaceWith(fresh.getElementById("main"));
        if (follow) scrollTo({ top: document.body.scrollHeight, behavior: "smooth" });
      }
      live.classList.remove("lost");
    } catch {
      live.classList.add("lost");
    }
  }
  setInterval(look, 2000);
})();
