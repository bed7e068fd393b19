// Agents at work beside each other, in several tabs, and on their way in and out.
import assert from "node:assert/strict";
import { Desk, PASSWORD } from "./desk.mjs";
import { BOB, SARA, open, story, until } from "./harness.mjs";

const LONG = "visitor.with.a.long.name@customer.example";

/** A conversation as the site's own system begins one. */
function begin(site, text, more = {}) {
  return site.replyd.api("POST", "/conversations", { account: "acme", inbox: "website", contact: { email: LONG, name: "Jane Doe" }, messages: [{ author: "contact", text }], ...more });
}

async function signIn(desk, email = SARA) {
  const form = desk.page.locator("form", { has: desk.page.getByLabel(/password/i) });
  await form.getByLabel(/email|address/i).fill(email);
  await form.getByLabel(/password/i).fill(PASSWORD);
  await form.getByRole("button").click();
  await desk.page.waitForURL(/\/desk\/(#.*)?$/);
}

async function signOut(desk) {
  await desk.page.getByRole("button", { name: /^You: / }).click();
  await desk.page.getByRole("menuitem", { name: "Sign out" }).click();
  await desk.page.waitForURL(/\/desk\/sign-in/);
}

story("the forecast is read whole at every width, and a chosen silence is the agent's own", {}, async (site) => {
  const { id } = await begin(site, "Hello?");
  await site.replyd.api("POST", `/conversations/${id}/presence`, { state: "away" });
  const desk = await Desk.enter(site, await site.person());
  await desk.show("Hello?");
  await desk.box.fill("Good morning");
  const line = desk.page.locator(".forecast");
  await line.getByText("unless read").waitFor();
  for (const width of [1280, 760, 390]) {
    await desk.page.setViewportSize({ width, height: 800 });
    const seen = await line.locator("span").evaluate((node) => ({ cut: node.scrollHeight > node.clientHeight + 1 || node.scrollWidth > node.clientWidth + 1, words: node.textContent, title: node.closest("[title]").title }));
    assert.equal(seen.cut, false, `${width}: ${seen.words}`);
    assert.match(seen.words, /by email to visitor\.with\.a\.long\.name@customer\.example in .* unless read$/);
    assert.ok(seen.title.startsWith(seen.words.slice(0, 40)) && seen.title.includes("unless read"), seen.title);
  }
  await desk.page.getByLabel("Email", { exact: true }).selectOption("never");
  await line.getByText("you chose so").waitFor();
  assert.deepEqual(desk.page.complaints, []);
});

story("a search looks through every state until one is chosen", {}, async (site) => {
  const done = await begin(site, "The kettle is red.");
  await site.replyd.api("PATCH", `/conversations/${done.id}`, { status: "resolved" });
  await begin(site, "The kettle is blue.", { contact: { email: "joe@customer.example", name: "Joe Roe" } });
  const desk = await Desk.enter(site, await site.person());
  const state = desk.page.getByLabel("State");
  const chosen = () => state.evaluate((node) => node.selectedOptions[0].textContent);
  await desk.row("Joe Roe").waitFor();
  assert.equal(await chosen(), "Open");
  await desk.page.getByLabel("Search conversations").fill("kettle");
  await desk.row("Jane Doe").waitFor();
  assert.equal(await chosen(), "Any state");
  await state.selectOption("open");
  await desk.row("Jane Doe").waitFor({ state: "detached" });
  await desk.row("Joe Roe").waitFor();
  assert.equal(await chosen(), "Open");
  await desk.page.getByRole("button", { name: "Clear the search" }).click();
  await until("nothing is sought", async () => !desk.page.url().includes("query"));
  await desk.row("Joe Roe").waitFor();
  assert.deepEqual([await chosen(), new URL(desk.page.url()).hash], ["Open", "#/conversations"]);
});

story("a draft is one agent's own, and one of all their tabs", {}, async (site) => {
  await site.replyd.command(["agent", "add", BOB, "--name", "Bob", "--account", "acme"]);
  const { id } = await begin(site, "Hello?");
  const sara = await site.person();
  const one = await Desk.enter(site, sara);
  await one.show("Hello?");
  await one.box.fill("I look into it");
  await until("it is kept", () => one.page.evaluate(() => Object.keys(localStorage).some((key) => key.startsWith("replyd.draft."))));
  const two = new Desk(await open(sara, `${site.origin}/desk/#/conversations/${id}`));
  await until("the other tab has it", async () => (await two.box.inputValue()) === "I look into it");
  await one.answer("I look into it");
  await until("it is sent, and nowhere to be sent again", async () => (await two.box.inputValue()) === "");
  await two.page.close();

  await one.box.fill("Between us: a difficult one");
  await until("it is kept", () => one.page.evaluate(() => Object.values(localStorage).some((kept) => kept.includes("Between us"))));
  await signOut(one);
  await site.replyd.command(["agent", "password", BOB], `${PASSWORD}\n`);
  await signIn(one, BOB);
  await one.show("Jane Doe");
  assert.equal(await one.box.inputValue(), "", "Bob has no part in Sara's draft");
  await signOut(one);
  await signIn(one, SARA);
  await one.show("Jane Doe");
  assert.equal(await one.box.inputValue(), "Between us: a difficult one");
});

story("what a colleague takes back is on nobody's screen, and warns nobody", {}, async (site) => {
  await site.replyd.command(["agent", "add", BOB, "--name", "Bob", "--account", "acme"]);
  await begin(site, "Hello?");
  const sara = await Desk.enter(site, await site.person());
  const bob = await Desk.enter(site, await site.person(), BOB);
  await sara.show("Hello?");
  await bob.show("Hello?");
  await sara.box.fill("I am just writing");
  await bob.write("Go away.");
  const warning = sara.page.locator(".collision");
  await warning.getByText("Bob answered while you were writing").waitFor();
  await sara.message("Go away.").waitFor();
  await bob.message("Go away.").getByRole("button", { name: /undo/i }).click();
  await sara.message("Go away.").waitFor({ state: "detached" });
  await warning.waitFor({ state: "hidden" });
  await sara.answer("I am just writing");
  await bob.message("I am just writing").waitFor();
});

story("an address of the desk outlives the sign-in page, and a foreign one leads nowhere", {}, async (site) => {
  const { id } = await begin(site, "Hello?");
  const context = await site.person();
  await site.replyd.command(["agent", "password", SARA], `${PASSWORD}\n`);
  const desk = new Desk(await open(context, `${site.origin}/desk/#/conversations/${id}?state=any`, { allowed: ["401"] }));
  await desk.page.waitForURL(/\/desk\/sign-in/);
  await signIn(desk);
  await desk.message("Hello?").waitFor();
  assert.equal(new URL(desk.page.url()).hash, `#/conversations/${id}?state=any`);

  await context.clearCookies();
  // The click finds out that the session has ended, unless one of the page's own calls does before.
  await Promise.all([
    desk.page.waitForURL(/\/desk\/sign-in/),
    desk.page.getByRole("button", { name: "Resolve" }).click({ timeout: 5_000 }).catch(() => {}),
  ]);
  await desk.page.evaluate(() => {
    const kept = JSON.parse(localStorage.getItem("replyd.desk.way"));
    localStorage.setItem("replyd.desk.way", JSON.stringify({ ...kept, address: "https://evil.example/#/mail" }));
  });
  await signIn(desk);
  await desk.row("Jane Doe").waitFor();
  assert.equal(desk.page.url(), `${site.origin}/desk/`);
  await desk.page.goto(`${site.origin}/desk/#/conversations/%E0`);
  await desk.page.getByText("There is no such conversation").waitFor();
  assert.deepEqual(desk.page.complaints.filter((words) => !/404|401/.test(words)), []);
});

story("canned answers and agents of others are there when they are looked for", {}, async (site) => {
  await begin(site, "Hello?");
  const desk = await Desk.enter(site, await site.person());
  await desk.show("Hello?");
  await site.replyd.api("POST", "/canned_answers", { account: "acme", name: "hours", text: "We open at nine." });
  await site.replyd.command(["agent", "add", BOB, "--name", "Bob", "--account", "acme"]);
  await desk.box.fill("/hou");
  await desk.page.getByRole("option", { name: /We open at nine/ }).waitFor();
  await desk.box.fill("");
  await desk.page.getByRole("button", { name: "Assign" }).click();
  await desk.page.getByRole("menuitemradio", { name: "Bob" }).click();
  await desk.page.getByRole("button", { name: /Assigned to Bob/ }).waitFor();
});
