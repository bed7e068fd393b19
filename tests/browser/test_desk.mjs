// The agent's side of the promise.
import assert from "node:assert/strict";
import { accessible } from "./access.mjs";
import { Chat } from "./chat.mjs";
import { Desk, PASSWORD } from "./desk.mjs";
import { JANE, SARA, open, story, until } from "./harness.mjs";

story("an agent answers at the desk and sees on which way it goes, and what comes back", {}, async (site) => {
  const chat = await Chat.enter(await site.person(), site.shop.page());
  const desk = await Desk.enter(site, await site.person());
  await chat.write("It does not boil.");
  await chat.tellAddress(JANE);
  await desk.row("It does not boil.").waitFor();
  await desk.show("It does not boil.");
  await desk.message("It does not boil.").waitFor();
  await desk.answer("Is it switched on?");
  await chat.theirs("Is it switched on?").waitFor();
  await desk.message("Is it switched on?").getByText("Seen in the chat").waitFor();

  await chat.page.close();
  await until("the visitor is gone", async () => (await site.conversation()).presence.state === "absent");
  await desk.box.fill("Please hold the button.");
  await desk.page.locator(".forecast").getByText(/jane@customer\.example|j…@customer\.example/).waitFor();
  await desk.answer("Please hold the button.");
  const mail = await site.mail.next(JANE);
  await desk.message("Please hold the button.").getByText("Delivered by email").waitFor();
  await site.answer(mail, "It boils now!");
  const came = desk.message("It boils now!");
  await came.getByText("by email").waitFor();
  await came.getByText(/DKIM signature of customer\.example/).waitFor();
  assert.equal(await came.locator("details", { hasText: "Quoted text" }).count(), 1, "what is quoted is folded");
  assert.equal(site.mail.of(JANE).length, 1);
  assert.deepEqual(desk.page.complaints, []);
});

story("what was written is taken back within the undo window, and nobody saw it", {}, async (site) => {
  const chat = await Chat.enter(await site.person(), site.shop.page());
  await chat.write("Hello?");
  const desk = await Desk.enter(site, await site.person());
  await desk.show("Hello?");
  await desk.write("Go away.");
  await desk.message("Go away.").getByRole("button", { name: /undo|take back/i }).click();
  await until("the words are in the box again", async () => (await desk.box.inputValue()) === "Go away.");
  await desk.answer("Good morning!");
  await chat.theirs("Good morning!").waitFor();
  assert.deepEqual(await chat.messages(), ["Hello?", "Good morning!"]);
});

story("a link that is mailed to an agent opens the desk once, and looking at it does not use it up", {}, async (site) => {
  const sara = await site.person();
  const page = await open(sara, `${site.origin}/desk/`, { allowed: ["401"] });
  await page.waitForURL(/\/desk\/sign-in/);
  const form = page.locator("form", { has: page.getByRole("button", { name: /link/i }) });
  await form.getByLabel(/email|address/i).fill(SARA);
  await form.getByRole("button", { name: /link/i }).click();
  const mail = await site.mail.next(SARA);
  const link = mail.text.match(/http:\/\/\S+\/desk\/link\/\S+/)[0];
  for (let looked = 0; looked < 3; looked += 1) assert.equal((await fetch(link)).status, 200, "a mail host's scanner looks at links");
  await page.goto(link);
  await page.getByRole("button", { name: /sign in/i }).click();
  await page.waitForURL(/\/desk\/(#.*)?$/);
  await page.getByRole("heading", { name: "Conversations" }).waitFor();

  const thief = await open(await site.person(), link, { allowed: ["403", "404", "410"] });
  const button = thief.getByRole("button", { name: /sign in/i });
  if (await button.count()) await button.click();
  await thief.goto(`${site.origin}/desk/`);
  await thief.waitForURL(/\/desk\/sign-in/);

  const nobody = await open(await site.person(), `${site.origin}/desk/sign-in`);
  const asked = nobody.locator("form", { has: nobody.getByRole("button", { name: /link/i }) });
  await asked.getByLabel(/email|address/i).fill("nobody@agents.example");
  await asked.getByRole("button", { name: /link/i }).click();
  await nobody.getByText(/link/i).first().waitFor();
  assert.equal(site.mail.of("nobody@agents.example").length, 0);
});

story("a mail that could not be delivered says why, and goes out when it is sent again", {}, async (site) => {
  const begun = await site.replyd.api("POST", "/conversations", {
    account: "acme", inbox: "website", contact: { email: JANE, name: "Jane Doe" }, subject: "My kettle", messages: [{ author: "contact", text: "It does not boil." }] });
  const desk = await Desk.enter(site, await site.person());
  await desk.show("Jane Doe");
  site.mail.refuse(554, "5.7.1 We take no mail of kettles");
  await desk.answer("Hold the button.");
  const message = desk.message("Hold the button.");
  await message.getByText(/Email not delivered/).waitFor();
  await message.getByText("We take no mail of kettles").first().waitFor();
  site.mail.refuse(null);
  await message.getByRole("button", { name: "Send again" }).click();
  await message.getByText("Delivered by email").waitFor();
  assert.match((await site.mail.next(JANE)).text, /Hold the button\./);
  assert.equal(site.mail.of(JANE).length, 1);
  assert.ok(begun.id);
});

story("mail on its way out is held, released, and failed with a reason that its conversation shows", {}, async (site) => {
  site.mail.refuse(451, "4.3.0 Come back later");
  await site.replyd.api("POST", "/conversations", {
    account: "acme", inbox: "website", contact: { email: JANE, name: "Jane Doe" }, subject: "My kettle", messages: [{ author: "contact", text: "It does not boil." }] });
  const desk = await Desk.enter(site, await site.person());
  await desk.show("Jane Doe");
  await desk.answer("Hold the button.");
  await desk.message("Hold the button.").getByText("Come back later").first().waitFor();
  for (const width of [1280, 390]) {
    await desk.page.setViewportSize({ width, height: 844 });
    await desk.page.goto(`${site.origin}/desk/#/queue`);
    const entry = desk.page.locator("details.entry", { hasText: JANE });
    await entry.locator("summary").click();
    await entry.getByRole("button", { name: "Hold" }).click();
    await entry.getByText("Held", { exact: true }).waitFor();
    await entry.locator("summary").click();
    await entry.getByRole("button", { name: "Release" }).click();
    await entry.getByText("Held", { exact: true }).waitFor({ state: "detached" });
  }
  const entry = desk.page.locator("details.entry", { hasText: JANE });
  await entry.locator("summary").click();
  await entry.getByRole("button", { name: "Fail …" }).click();
  await entry.getByRole("textbox", { name: "Why it fails" }).fill("that shop has closed");
  const overflow = await desk.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(overflow <= 0, `nothing sticks out of a phone: ${overflow} px`);
  await entry.getByRole("button", { name: "Fail it" }).click();
  await entry.getByText("failed by hand: that shop has closed").first().waitFor();
  const [{ delivery }] = (await site.conversation()).messages.filter((message) => message.author.kind === "agent");
  assert.deepEqual([delivery.state, delivery.reason], ["failed", "failed by hand: that shop has closed"]);
  assert.deepEqual(desk.page.complaints, []);
});

story("an agent changes their password, and is signed out everywhere else", {}, async (site) => {
  const elsewhere = await Desk.enter(site, await site.person());
  const desk = await Desk.enter(site, await site.person());
  await elsewhere.signIn(site);
  for (const width of [390, 1280]) {
    await desk.page.setViewportSize({ width, height: 844 });
    await desk.page.getByRole("button", { name: /^You:/ }).click();
    await desk.page.getByRole("menuitem", { name: "Change password" }).click();
    const form = desk.page.getByRole("dialog", { name: "Change your password" });
    await form.getByLabel("Current password").fill("not this one");
    await form.getByLabel(/^New password/).fill("a much better one");
    await form.getByRole("button", { name: "Change password" }).click();
    await form.getByText(/the current password is another/).waitFor();
    await accessible(desk.page, `changing the password at ${width} pixels`);
    if (width === 390) {
      await form.getByRole("button", { name: "Close" }).click();
      continue;
    }
    await form.getByLabel("Show both").check();
    assert.equal(await form.getByLabel(/^New password/).getAttribute("type"), "text");
    await form.getByLabel("Current password").fill(PASSWORD);
    await form.getByRole("button", { name: "Change password" }).click();
    await desk.page.getByText("Your password is changed.").waitFor();
  }
  await desk.page.goto(`${site.origin}/desk/#/answers`);
  await desk.page.getByRole("heading", { name: "Canned answers" }).waitFor();
  await elsewhere.page.reload();
  await elsewhere.page.waitForURL(/\/desk\/sign-in/);
});

story("an agent sees that an address gets no mail, why, and until when, and sends it mail again", {}, async (site) => {
  await site.replyd.api("POST", "/conversations", {
    account: "acme", inbox: "website", contact: { email: JANE, name: "Jane Doe" }, subject: "My kettle", messages: [{ author: "contact", text: "It does not boil." }] });
  site.mail.refuse(550, "5.1.1 No such user");
  const desk = await Desk.enter(site, await site.person());
  await desk.show("Jane Doe");
  await desk.answer("Hold the button.");
  const details = desk.page.getByRole("complementary", { name: "Details" });
  await details.getByText(/The address does not work/).waitFor();
  await details.getByText(/no such address at the recipient/).first().waitFor();
  await details.getByText(/until /).first().waitFor();
  await accessible(desk.page, "an address that gets no mail");
  site.mail.refuse(null);
  await details.getByRole("button", { name: "Send mail again" }).click();
  await details.getByRole("button", { name: "Send mail again" }).waitFor({ state: "detached" });
  await desk.message("Hold the button.").getByRole("button", { name: "Send again" }).click();
  await desk.message("Hold the button.").getByText("Delivered by email").waitFor();
  assert.equal(site.mail.of(JANE).length, 1);
  const { items } = await site.replyd.api("GET", "/suppressions");
  assert.equal(items.filter(({ email }) => email === JANE).length, 0);
});
