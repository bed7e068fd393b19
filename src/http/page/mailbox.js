// Asks for the page every two seconds and puts new mails on top; what is being written stays. Sends answers.
"use strict";
(() => {
  const live = document.getElementById("live"), mails = document.getElementById("mails");
  // A frame is as high as its mail, within reason: nothing in it runs that could tell.
  const fit = (frame) => {
    const height = frame.contentDocument?.body?.getBoundingClientRect().height ?? 0;
    if (height) frame.style.height = `${Math.ceil(Math.min(height + 2, 900))}px`;
  };
  const dress = (mail) => {
    const frame = mail.querySelector("iframe");
    frame.addEventListener("load", () => fit(frame));
    fit(frame);
    mail.querySelector("form").addEventListener("submit", send);
  };
  async function send(event) {
    event.preventDefault();
    const form = event.target, button = form.querySelector("button"), said = form.querySelector(".said");
    button.disabled = true;
    said.textContent = "";
    try {
      const answer = await fetch(form.dataset.to, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ text: form.elements.text.value, unsigned: form.elements.unsigned?.checked ?? false }),
      });
      const body = await answer.json();
      const accepted = answer.ok && body.accepted;
      said.textContent = answer.ok ? (accepted ? `Sent: ${body.reply}` : `Refused: ${body.reply}`) : body.error.message;
      said.classList.toggle("refused", !accepted);
      if (accepted) form.elements.text.value = "";
    } catch {
      said.textContent = "The demo does not answer.";
      said.classList.add("refused");
    } finally {
      button.disabled = false;
    }
  }
  async function look() {
    try {
      const answer = await fetch(location.href, { cache: "no-store" });
      if (!answer.ok) throw new Error(String(answer.status));
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      const known = new Set([...mails.children].map((mail) => mail.dataset.number));
      const arrived = [...fresh.getElementById("mails").children].filter((mail) => !known.has(mail.dataset.number));
      for (const mail of arrived.reverse()) {
        mail.classList.add("fresh");
        mails.prepend(mail);
        dress(mail);
      }
      document.getElementById("tabs").replaceWith(fresh.getElementById("tabs"));
      document.getElementById("empty").hidden = mails.children.length > 0;
      live.classList.remove("lost");
    } catch {
      live.classList.add("lost");
    }
  }
  // In the three panes the pane's own bar says what this is.
  document.body.classList.toggle("framed", window.top !== window);
  addEventListener("resize", () => mails.querySelectorAll("iframe").forEach(fit));
  [...mails.children].forEach(dress);
  setInterval(look, 2000);
})();
