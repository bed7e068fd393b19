// axe-core finds nothing to complain of (WCAG 2 A and AA), in whatever state; and the chat is used by keyboard alone.
import { accessible as check } from "./access.mjs";
import { Chat } from "./chat.mjs";
import { Desk } from "./desk.mjs";
import { JANE, SARA, open, story } from "./harness.mjs";

for (const colorScheme of ["light", "dark"]) {
  story(`the chat, in ${colorScheme}`, {
    widget: { pre_chat: [{ name: "topic", label: "Topic", kind: "select", required: true, options: ["Kettles", "Delivery"] }] },
  }, async (site) => {
    const chat = new Chat(await open(await site.person({ colorScheme }), site.shop.page()));
    await chat.launcher.waitFor();
    await check(chat.page, "closed");
    await chat.launcher.focus();
    await chat.page.keyboard.press("Enter");
    await chat.panel.waitFor();
    await check(chat.page, "the form");
    await chat.panel.getByRole("button", { name: "Start chat" }).click();
    await check(chat.page, "the form with what is missing");
    await chat.panel.getByLabel("Topic").selectOption("Kettles");
    await chat.panel.getByLabel("Your message").fill("It does not boil.");
    await chat.panel.getByRole("button", { name: "Start chat" }).click();
    await chat.mine("It does not boil.").waitFor();
    await check(chat.page, "asked for an address");
    await chat.tellAddress(JANE);
    const conversation = await site.conversation();
    await site.say(conversation, "Is it switched on? See https://shop.example/help", { mail: "now" });
    await chat.theirs("Is it switched on?").getByText("We emailed this").waitFor();
    await site.answer(await site.mail.next(JANE), "It is.");
    await chat.mine("It is.").waitFor();
    await check(chat.page, "messages and mails");
    await chat.root.getByRole("button", { name: "Change" }).first().click();
    await chat.panel.getByLabel("Email address").waitFor();
    await check(chat.page, "settings of mail");
    await chat.page.keyboard.press("Escape");
    await chat.box.waitFor();
    await chat.page.keyboard.press("Escape");
    await chat.panel.waitFor({ state: "hidden" });
    await site.say(conversation, "One thing more.");
    await chat.root.locator(".preview", { hasText: "One thing more." }).waitFor();
    await check(chat.page, "closed, with news");
  });

  story(`the desk, in ${colorScheme}`, {}, async (site) => {
    const begun = await site.replyd.api("POST", "/conversations", {
      account: "acme", inbox: "website", contact: { email: JANE, name: "Jane Doe" }, subject: "My kettle", messages: [{ author: "contact", text: "It does not boil." }] });
    await site.say(begun, "Hold the button.", { mail: "now" });
    await site.answer(await site.mail.next(JANE), "It boils!");
    const context = await site.person({ colorScheme });
    await check(await open(context, `${site.origin}/desk/sign-in`), "sign in");
    const desk = await Desk.enter(site, context);
    await desk.row("Jane Doe").waitFor();
    await check(desk.page, "the list");
    await desk.show("Jane Doe");
    await desk.message("It boils!").getByText("by email").waitFor();
    await check(desk.page, "a conversation");
    await desk.page.getByRole("button", { name: "Note" }).click();
    await check(desk.page, "a note");
    for (const page of ["mail", "queue", "answers", "settings"]) {
      await desk.page.goto(`${site.origin}/desk/#/${page}`);
      await desk.page.getByRole("heading", { level: 1 }).first().waitFor();
      await check(desk.page, page);
    }
  });
}

story("the sign-in page names what was wrong", {}, async (site) => {
  const page = await open(await site.person(), `${site.origin}/desk/sign-in`, { allowed: ["401"] });
  const form = page.locator("form", { has: page.getByLabel(/password/i) });
  await form.getByLabel(/email|address/i).fill(SARA);
  await form.getByLabel(/password/i).fill("wrong");
  await form.getByRole("button").click();
  await page.getByText(/do not fit/).waitFor();
  await check(page, "a wrong password");
});
