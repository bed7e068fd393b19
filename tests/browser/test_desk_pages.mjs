// What the desk's pages show, and where they leave those who use them.
import assert from "node:assert/strict";
import { Chat } from "./chat.mjs";
import { Desk } from "./desk.mjs";
import { JANE, SARA, story, until } from "./harness.mjs";

function begin(site, more = {}) {
  return site.replyd.api("POST", "/conversations", { account: "acme", inbox: "website", contact: { email: JANE, name: "Jane Doe" }, messages: [{ author: "contact", text: "It does not boil." }], ...more });
}

const hash = (desk) => new URL(desk.page.url()).hash;

story("a page's filters are what its address says, however one came there", {}, async (site) => {
  await begin(site);
  const desk = await Desk.enter(site, await site.person());
  await desk.page.getByRole("link", { name: "Mail log" }).click();
  const field = desk.page.getByRole("searchbox", { name: "Address or Message-ID" });
  await field.fill("jane");
  await until("the address has it", () => hash(desk) === "#/mail?query=jane");
  await desk.page.getByRole("link", { name: "Mail log" }).click();
  await until("all is shown", async () => hash(desk) === "#/mail" && (await field.inputValue()) === "");
  await desk.page.goBack();
  await until("the filter is back", async () => (await field.inputValue()) === "jane");
  await desk.page.locator("h1", { hasText: "Where is my mail?" }).click();
  await desk.page.keyboard.press("g");
  await desk.page.keyboard.press("l");
  await until("all is shown again", async () => hash(desk) === "#/mail" && (await field.inputValue()) === "");
  assert.deepEqual(desk.page.complaints, []);
});

story("an answer that did not arrive is marked in the list, until one did", {}, async (site) => {
  await begin(site);
  const desk = await Desk.enter(site, await site.person());
  await desk.show("Jane Doe");
  site.mail.refuse(554, "5.7.1 We take no mail of kettles");
  await desk.answer("Hold the button.");
  await desk.row("Jane Doe").getByText("Not delivered", { exact: true }).waitFor();
  site.mail.refuse(null);
  await desk.message("Hold the button.").getByRole("button", { name: "Send again" }).click();
  await desk.row("Jane Doe").getByText("Not delivered").waitFor({ state: "detached" });
  await desk.page.getByText("The email goes out now.").waitFor();
  await desk.page.getByRole("link", { name: "Settings" }).click();
  await desk.page.getByText("The email goes out now.").waitFor({ state: "detached" });
});

story("a waiting message counts down to its mail, and a visitor is known by what they typed", {}, async (site) => {
  const chat = await Chat.enter(await site.person(), site.shop.page());
  await chat.write("Hello?");
  await chat.tellAddress(JANE);
  const desk = await Desk.enter(site, await site.person());
  await desk.row(JANE).getByText("not proven").waitFor();
  await desk.show("Hello?");
  await site.replyd.api("POST", "/canned_answers", { account: "acme", name: "hello", text: "Hello {name}, this is {agent}." });
  await desk.box.fill("/hello");
  await desk.page.getByRole("option", { name: /Hello/ }).waitFor();
  await desk.page.keyboard.press("Enter");
  assert.equal(await desk.box.inputValue(), "Hello, this is Sara.");
  await chat.launcher.click();
  const sent = desk.message("Hello, this is Sara.");
  await desk.answer("Hello, this is Sara.");
  await sent.getByText(/In the chat; by email to jane@customer\.example in 0:0\d unless read|Seen in the chat|Delivered by email/).waitFor();
});

story("a contact whose mail names nobody keeps their name, with the address beside it", {}, async (site) => {
  await begin(site);
  const desk = await Desk.enter(site, await site.person());
  await desk.show("Jane Doe");
  await desk.answer("Hold the button.");
  await site.answer(await site.mail.next(JANE), "I am away.", { from: JANE });
  const came = desk.message("I am away.");
  await came.locator("strong", { hasText: "Jane Doe" }).waitFor();
  await came.locator(".address", { hasText: JANE }).waitFor();
  await desk.page.getByRole("link", { name: "Mail log" }).click();
  const entry = desk.page.locator("details.entry", { hasText: "It came to the reply address of its conversation" });
  await entry.locator("summary").click();
  await entry.getByText("Subject", { exact: true }).waitFor();
  for (const words of ["Show as it came", "Hide it", "Show as it came"]) await entry.getByRole("button", { name: words }).click();
  await entry.locator("pre").waitFor();
  assert.equal(await entry.locator("pre").count(), 1);
});

story("a search leads to the words in a long conversation", {}, async (site) => {
  const texts = [{ author: "contact", text: "The needle of my record player is bent" }, ...Array.from({ length: 90 }, (_, at) => ({ author: at % 2 ? "agent" : "contact", text: `Line ${at}\nand more\nand more`, ...(at % 2 ? { agent: SARA, mail: "never" } : {}) }))];
  await begin(site, { messages: texts });
  const desk = await Desk.enter(site, await site.person());
  await desk.page.getByLabel("Search conversations").fill("needle");
  await until("it is sought", () => hash(desk) === "#/conversations?query=needle");
  await desk.row("Jane Doe").getByRole("link").click();
  const found = desk.page.locator(".message.found", { hasText: "needle" });
  await found.waitFor();
  await until("it is in view", () => found.evaluate((node) => {
    const { top, bottom } = node.getBoundingClientRect();
    return top > 0 && bottom < innerHeight;
  }));
  await desk.page.getByLabel("Search conversations").fill("990");
  await desk.page.getByText("Numbers are found when they are whole.").waitFor();
});

story("the details keep the focus, and stay off the composer of a narrow window", {}, async (site) => {
  const conversation = await begin(site);
  const desk = await Desk.enter(site, await site.person());
  await desk.show("Jane Doe");
  const side = desk.page.getByRole("complementary", { name: "Details" });
  const copy = side.getByRole("button", { name: "Copy the reply address" });
  await copy.focus();
  await site.say(conversation, "Hold the button.", { mail: "never" });
  await desk.message("Hold the button.").waitFor();
  await side.getByText("1 by the contact").waitFor();
  assert.ok(await copy.evaluate((node) => node === document.activeElement));
  await desk.page.setViewportSize({ width: 1000, height: 700 });
  await side.waitFor({ state: "hidden" });
  await desk.page.setViewportSize({ width: 1280, height: 800 });
  await side.waitFor();
});

story("a lost connection is said above the page and covers nothing of it", {}, async (site) => {
  await begin(site);
  const desk = await Desk.enter(site, await site.person());
  await desk.show("Jane Doe");
  await site.replyd.kill();
  const bar = desk.page.locator(".offline");
  await bar.waitFor();
  const bottom = await bar.evaluate((node) => node.getBoundingClientRect().bottom);
  for (const part of [".conversation > header", ".list-head", ".rail"]) {
    assert.ok((await desk.page.locator(part).evaluate((node) => node.getBoundingClientRect().top)) >= bottom - 1, part);
  }
  assert.ok(await desk.page.locator(".composer").evaluate((node) => node.getBoundingClientRect().bottom <= innerHeight));
});

story("settings show each inbox as it is, and a mail with its From and Subject", { inboxes: '[[account.inbox]]\nname = "orders"\nchannel = "email"\naddress = "orders@reply.example"\n' }, async (site) => {
  const desk = await Desk.enter(site, await site.person());
  await desk.page.getByRole("link", { name: "Settings" }).click();
  const card = (name) => desk.page.locator(".card", { has: desk.page.getByRole("heading", { name, exact: true }) });
  await card("website").getByText("Widget", { exact: true }).waitFor();
  assert.equal(await card("orders").getByText("Widget", { exact: true }).count(), 0);
  const preview = desk.page.locator(".preview");
  await preview.getByText("Subject", { exact: true }).waitFor();
  await preview.getByText(/support@reply\.example|reply\.example/).first().waitFor();
  const frame = preview.locator("iframe");
  await until("the mail is shown to its end", () => frame.evaluate((node) => node.contentDocument.documentElement.scrollHeight > 200 && node.clientHeight >= Math.min(1400, node.contentDocument.documentElement.scrollHeight)));
  const { id } = await site.replyd.api("POST", "/conversations", { account: "acme", inbox: "orders", contact: { email: JANE, name: "Jane Doe" }, messages: [{ author: "contact", text: "Where is it?" }] });
  await desk.page.goto(`${site.origin}/desk/#/conversations/${id}`);
  await desk.box.waitFor();
  assert.equal(await desk.page.getByLabel("Email", { exact: true }).isVisible(), false, "all of it goes by mail");
});
