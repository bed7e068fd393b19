import assert from "node:assert/strict";
import { JANE, open, story } from "./harness.mjs";

story("mail goes out, is answered, and is filed; the browser opens a page", {}, async (site) => {
  const begun = await site.replyd.api("POST", "/conversations", {
    account: "acme", inbox: "website", contact: { email: JANE }, messages: [{ author: "contact", text: "It does not boil." }] });
  await site.say(begun, "Try again.");
  const mail = await site.mail.next(JANE);
  assert.match(mail.text, /Try again\./);
  await site.answer(mail, "It works now.");
  const page = await open(await site.person(), site.shop.page("/kettles"), { allowed: ["404"] });
  assert.equal(await page.locator("#page").textContent(), "/kettles");
});
