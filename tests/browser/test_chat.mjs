// The promise, from the visitor's side: what is said in the chat is never lost, and nobody else reads it.
import assert from "node:assert/strict";
import { Chat } from "./chat.mjs";
import { JANE, SARA, open, story, until } from "./harness.mjs";

const delivered = (conversation) => conversation.messages.filter((message) => message.delivery?.state === "delivered").length;

story("who leaves gets the answer by mail, and the answer to that mail stands in the chat", {}, async (site) => {
  const jane = await site.person();
  let chat = await Chat.enter(jane, site.shop.page("/kettles", { colour: "copper" }) + "#size");
  await chat.write("It does not boil.");
  await chat.tellAddress(JANE);
  await site.say(await site.conversation(), "Is it switched on?");
  await chat.theirs("Is it switched on?").waitFor();
  await until("the answer is seen", async () => (await site.conversation()).unseen_by_contact === 0);
  await chat.page.close();

  await site.say(await site.conversation(), "Please hold the button.");
  await site.say(await site.conversation(), "For ten seconds.");
  const mail = await site.mail.next(JANE);
  assert.match(mail.text, /Please hold the button\.[^]*For ten seconds\./, "one mail with all that was not seen");
  assert.doesNotMatch(mail.text.split("For ten seconds.")[0], /Is it switched on\?/, "what was seen is not new");
  await site.answer(mail, "It boils now!");
  await until("the answer is filed", async () => (await site.conversation()).messages.some((message) => message.via === "email"));
  const filed = (await site.conversation()).messages.at(-1);
  assert.deepEqual([filed.author.kind, filed.text.trim(), filed.email.auth.verdict], ["contact", "It boils now!", "authentic"]);

  chat = await Chat.enter(jane, site.shop.page("/kettles"));
  await chat.mine("It boils now!").getByText("by email").waitFor();
  await chat.theirs("For ten seconds.").getByText(`We emailed this to j…@customer.example`).waitFor();
  await until("seen in the chat", async () => (await site.conversation()).unseen_by_contact === 0);
  assert.equal(site.mail.of(JANE).length, 1, "never mailed twice");
  assert.equal(delivered(await site.conversation()), 2);
  assert.deepEqual(chat.page.complaints, []);
});

story("an answer by mail appears in the open chat by itself", {}, async (site) => {
  const jane = await site.person();
  const chat = await Chat.enter(jane, site.shop.page());
  await chat.write("Hello?");
  await chat.tellAddress(JANE);
  await site.say(await site.conversation(), "By mail, please.", { mail: "now" });
  await site.answer(await site.mail.next(JANE), "Like this?");
  await chat.mine("Like this?").getByText("by email").waitFor();
});

story("an answer that nobody looks at goes out when its own, longer time is over", { inbox: "" }, async (site) => {
  const jane = await site.person();
  const chat = await Chat.enter(jane, site.shop.page());
  await chat.write("Hello?");
  await chat.tellAddress(JANE);
  await background(chat.page);
  await until("replyd knows that nobody looks", async () => (await site.conversation()).presence.state === "away");
  const answer = await site.say(await site.conversation(), "Are you there?");
  const { continuity } = await site.conversation();
  assert.ok(Date.parse(continuity.due_at) - Date.parse(answer.created_at ?? answer.message?.created_at) >= 4000, JSON.stringify(continuity));
  const mail = await site.mail.next(JANE);
  assert.match(mail.text, /Are you there\?/);
  await foreground(chat.page);
  await chat.theirs("Are you there?").waitFor();
  await until("seen in the chat", async () => (await site.conversation()).unseen_by_contact === 0);
  assert.equal(site.mail.of(JANE).length, 1);
});

story("reading cancels the mail", { inbox: "" }, async (site) => {
  const jane = await site.person();
  const chat = await Chat.enter(jane, site.shop.page());
  await chat.write("Hello?");
  await chat.tellAddress(JANE);
  await background(chat.page);
  await until("replyd knows that nobody looks", async () => (await site.conversation()).presence.state === "away");
  await site.say(await site.conversation(), "Are you there?");
  assert.ok((await site.conversation()).continuity.due_at);
  await foreground(chat.page);
  await until("seen in the chat", async () => (await site.conversation()).unseen_by_contact === 0);
  const { continuity, messages } = await site.conversation();
  assert.equal(continuity.due_at, null);
  assert.notEqual(messages.at(-1).delivery?.state, "delivered");
  assert.equal(site.mail.of(JANE).length, 0);
});

story("only what stayed on the screen is seen, and the chat opens at the first unread message", {}, async (site) => {
  const jane = await site.person();
  const chat = await Chat.enter(jane, site.shop.page());
  await chat.write("Tell me everything.");
  await chat.panel.getByRole("button", { name: "Close chat" }).click();
  const answers = Array.from({ length: 14 }, (_, at) => `Answer ${at + 1}. ${"All about kettles. ".repeat(25)}`);
  for (const text of answers) await site.say(await site.conversation(), text);
  await chat.root.locator(".badge").getByText("14").waitFor();
  const unseen = async () => (await site.conversation()).messages.filter((message) => message.direction === "outgoing" && !message.seen_at).map(({ text }) => Number(text.match(/\d+/)[0]));
  assert.equal((await unseen()).length, 14);
  await chat.launcher.click();
  await until("the first one is seen", async () => !(await unseen()).includes(1));
  assert.ok((await unseen()).includes(14), "the last one was never on the screen");
  await chat.panel.getByRole("button", { name: "New messages" }).click();
  await until("the last one is seen", async () => !(await unseen()).includes(14));
  const left = await unseen();
  assert.ok([6, 7, 8, 9].every((at) => left.includes(at)), `what was skipped is unseen: ${left}`);
  await chat.theirs("Answer 7.").scrollIntoViewIfNeeded();
  await until("who scrolls back reads it", async () => !(await unseen()).includes(7));
  assert.deepEqual(chat.page.complaints, []);
});

story("what is too long for the server is told before it is sent", {}, async (site) => {
  const chat = await Chat.enter(await site.person(), site.shop.page());
  await chat.box.fill("水".repeat(11_000));
  await chat.panel.getByText("too long for one message").waitFor();
  assert.equal(await chat.panel.getByRole("button", { name: "Send" }).isDisabled(), true);
  await chat.box.press("Enter");
  await chat.write("水".repeat(10_000));
  assert.equal((await site.conversation()).messages.length, 1);
});

story("the link in the mail opens the same conversation on another device", {}, async (site) => {
  const jane = await site.person();
  const chat = await Chat.enter(jane, site.shop.page("/kettles", { colour: "copper" }) + "#size");
  await chat.write("It does not boil.");
  await chat.tellAddress(JANE);
  await chat.page.close();
  await site.say(await site.conversation(), "Hold the button.");
  const mail = await site.mail.next(JANE);
  const link = mail.text.match(/http:\/\/\S+\/resume\/\S+/)[0];

  const before = await site.conversation();
  assert.equal((await fetch(link, { redirect: "manual" })).status, 302);
  const after = await site.conversation();
  assert.deepEqual([after.unseen_by_contact, after.presence.state, after.messages.length], [before.unseen_by_contact, before.presence.state, before.messages.length], "looking at a link changes nothing");

  const phone = await site.person({ viewport: { width: 390, height: 844 } });
  const page = await open(phone, link);
  const there = new Chat(page);
  await there.theirs("Hold the button.").waitFor();
  await there.mine("It does not boil.").waitFor();
  assert.equal(new URL(page.url()).pathname, "/kettles");
  assert.equal(new URL(page.url()).search, "?colour=copper");
  assert.equal(new URL(page.url()).hash, "#size");
  await there.write("From my phone.");
  const { messages } = await site.conversation();
  assert.equal(messages.at(-1).text, "From my phone.");
  assert.equal((await site.conversations()).length, 1);

  const forged = link.replace(/signature=./, (found) => `signature=${found.endsWith("0") ? "1" : "0"}`);
  const answer = await fetch(forged, { redirect: "manual" });
  assert.equal(answer.status, 403);
  assert.match(await answer.text(), /link/i);
});

story("a form before the chat asks what it must, and says what is missing", {
  widget: { pre_chat: [
    { name: "name", label: "Your name", kind: "text", required: true },
    { name: "email", label: "Email", kind: "email", required: true },
    { name: "order", label: "Order number", kind: "text", pattern: "[0-9]{6}" },
    { name: "topic", label: "Topic", kind: "select", required: true, options: ["Kettles", "Delivery"] },
  ] },
}, async (site) => {
  const jane = await site.person();
  const chat = await Chat.enter(jane, site.shop.page());
  const start = chat.panel.getByRole("button", { name: "Start chat" });
  await start.click();
  await chat.panel.getByText("Please fill this in.").first().waitFor();
  assert.equal(await chat.panel.getByText("Please fill this in.").count(), 4);
  await chat.panel.getByLabel("Your name").fill("Jane Doe");
  await chat.panel.getByLabel("Email").fill("jane at customer");
  await chat.panel.getByLabel("Order number").fill("12");
  await chat.panel.getByLabel("Topic").selectOption("Kettles");
  await chat.panel.getByLabel("Your message").fill("It does not boil.");
  await start.click();
  await chat.panel.getByText("Please write it like name@example.com.").waitFor();
  await chat.panel.getByText("Please check this.").waitFor();
  assert.equal((await site.conversations()).length, 0, "nothing was sent");
  await chat.panel.getByLabel("Email").fill(JANE);
  await chat.panel.getByLabel("Order number").fill("123456");
  await start.click();
  await chat.mine("It does not boil.").waitFor();
  const { contact } = await site.conversation();
  assert.equal(contact.name, "Jane Doe");
  assert.equal(contact.email ?? null, null, "a typed address is a claim");
  assert.equal(contact.claimed_email, JANE);
  await chat.page.close();
  await site.say(await site.conversation(), "We look into it.");
  await site.mail.next(JANE);
});

story("a site proves who its visitor is; a wrong proof opens nothing", {}, async (site) => {
  const home = await site.person();
  const chat = await Chat.enter(home, site.shop.page("/", { identity: site.identity("jane-7", { email: JANE, name: "Jane Doe" }) }));
  await chat.write("Where is my kettle?");
  const { contact } = await site.conversation();
  // The hash speaks for the identifier; the address beside it is a claim as any typed one.
  assert.deepEqual([contact.identifier, contact.email, contact.claimed_email, contact.name], ["jane-7", null, JANE, "Jane Doe"]);

  const work = await site.person();
  const there = await Chat.enter(work, site.shop.page("/", { identity: site.identity("jane-7", { email: JANE }) }));
  await there.mine("Where is my kettle?").waitFor();

  const stranger = await site.person();
  const [, { identifier_hash: hash }] = site.identity("jane-8");
  const forged = await Chat.enter(stranger, site.shop.page("/", { identity: ["jane-7", { email: JANE, identifier_hash: hash }] }), { allowed: ["401"] });
  const refusals = await forged.page.evaluate(() => new Promise((resolve) => {
    window.replyd.q.push(["on", "error", ({ code }) => resolve(code)]);
    window.replyd.setUser("jane-7", { identifier_hash: "0".repeat(64) });
  }));
  assert.equal(refusals, "identity_hash_wrong");
  await forged.box.waitFor();
  assert.deepEqual(await forged.messages(), []);
  assert.equal((await site.conversations()).length, 1);
});

story("where proof is required, nobody chats without it", { widget: { identity: "required" } }, async (site) => {
  const chat = await Chat.enter(await site.person(), site.shop.page());
  await chat.panel.getByText("Please sign in on this site").waitFor();
  assert.equal(await chat.box.isVisible(), false);
  const known = await Chat.enter(await site.person(), site.shop.page("/", { identity: site.identity("jane-7") }));
  await known.write("I am Jane.");
});

story("two tabs of one visitor show the same, two visitors only what is theirs", {}, async (site) => {
  const [jane, bob] = [await site.person(), await site.person()];
  const first = await Chat.enter(jane, site.shop.page("/one"));
  await first.write("Jane here.");
  const second = await Chat.enter(jane, site.shop.page("/two"));
  await second.mine("Jane here.").waitFor();
  const other = await Chat.enter(bob, site.shop.page("/three"));
  await other.write("Bob here.");
  await second.write("From the second tab.");
  await first.mine("From the second tab.").waitFor();
  const all = await site.conversations();
  assert.equal(all.length, 2);
  for (const { id } of all) {
    const found = await site.replyd.api("GET", `/conversations/${id}`);
    const name = found.messages[0].text.startsWith("Jane") ? "Jane" : "Bob";
    await site.say(found, `Only for ${name}.`);
  }
  await first.theirs("Only for Jane.").waitFor();
  await second.theirs("Only for Jane.").waitFor();
  await other.theirs("Only for Bob.").waitFor();
  assert.deepEqual(await other.messages(), ["Bob here.", "Only for Bob."]);
  assert.deepEqual(await first.messages(), ["Jane here.", "From the second tab.", "Only for Jane."]);
  assert.deepEqual(await second.messages(), await first.messages());

  // Bob's token and Jane's conversation: the same words as for one that does not exist.
  const hers = all.map(({ id }) => id);
  const answers = await other.page.evaluate(async ({ origin, ids }) => {
    const stored = Object.entries(localStorage).find(([key]) => key.startsWith("replyd:"))[1];
    const headers = { authorization: `Bearer ${JSON.parse(stored).token}` };
    const read = async (id) => {
      const answer = await fetch(`${origin}/widget/v1/messages?conversation=${id}`, { headers });
      return [answer.status, await answer.text()];
    };
    return Promise.all(ids.map(read));
  }, { origin: site.origin, ids: [...hers, "nb7hsz7bm4zvi"] });
  const statuses = answers.map(([status]) => status);
  assert.deepEqual(statuses.toSorted?.() ?? [...statuses].sort(), [200, 404, 404]);
  const refused = answers.filter(([status]) => status === 404).map(([, text]) => text.replace(/nb\w+/g, "ID"));
  assert.equal(refused[0], refused[1]);
});

/** The browser takes the tab from the screen: as in life, the page hears of it by the visibility of its document. */
async function background(page) {
  await page.evaluate(() => {
    Object.defineProperty(document, "visibilityState", { configurable: true, get: () => "hidden" });
    Object.defineProperty(document, "hidden", { configurable: true, get: () => true });
    document.hasFocus = () => false;
    document.dispatchEvent(new Event("visibilitychange"));
  });
}

async function foreground(page) {
  await page.evaluate(() => {
    delete document.visibilityState;
    delete document.hidden;
    delete document.hasFocus;
    document.dispatchEvent(new Event("visibilitychange"));
  });
}
