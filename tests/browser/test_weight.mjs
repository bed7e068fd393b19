// What the chat costs a site whose visitor does not use it, and one whose visitor does.
import assert from "node:assert/strict";
import { Chat } from "./chat.mjs";
import { story } from "./harness.mjs";

const OCTETS_MAX = 30 * 1024;

story("the chat is small, late, and moves nothing", {}, async (site, t) => {
  const context = await site.person();
  const page = await context.newPage();
  const loaded = [];
  page.on("requestfinished", async (request) => {
    if (!request.url().startsWith(site.origin) || request.url().includes("/events")) return;
    const sizes = await request.sizes();
    loaded.push({ path: new URL(request.url()).pathname, octets: sizes.responseBodySize });
  });
  await page.addInitScript(() => {
    window.shift = 0;
    new PerformanceObserver((list) => { for (const entry of list.getEntries()) window.shift += entry.value; }).observe({ type: "layout-shift", buffered: true });
  });
  await page.goto(site.shop.page());
  const chat = new Chat(page);
  await chat.launcher.waitFor();
  const sum = () => loaded.reduce((all, { octets }) => all + octets, 0);
  t.diagnostic(`until the button is there: ${loaded.length} requests, ${sum()} octets (${loaded.map(({ path, octets }) => `${path} ${octets}`).join(", ")})`);
  await chat.launcher.click();
  await chat.write("Hello?");
  t.diagnostic(`with the first message: ${loaded.length} requests, ${sum()} octets; layout shift ${await page.evaluate(() => window.shift)}`);
  assert.ok(sum() <= OCTETS_MAX, `${sum()} octets`);
  assert.equal(await page.evaluate(() => window.shift), 0);
  assert.equal(await page.evaluate(() => getComputedStyle(document.querySelector("#page")).color), "rgb(255, 0, 0)", "the site's style is its own");
  assert.notEqual(await chat.launcher.evaluate((button) => getComputedStyle(button).fontFamily), "serif");
});
