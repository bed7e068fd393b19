// `replyd demo`: a newcomer goes through the whole promise in three panes.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { accessible } from "./access.mjs";
import { Chat } from "./chat.mjs";
import { Desk } from "./desk.mjs";
import { newBrowser, open, until } from "./harness.mjs";
import { picture } from "./pictures.mjs";

async function demo(body) {
  const folder = mkdtempSync(join(tmpdir(), "replyd-demo-"));
  const process_ = spawn(process.env.REPLYD, ["demo", "--smtp-port", "0", "--http-port", "0", "--data", join(folder, "demo")]);
  const ended = new Promise((resolve) => process_.once("exit", resolve));
  const browser = await newBrowser();
  try {
    let printed = "";
    process_.stdout.on("data", (chunk) => { printed += chunk; });
    const [, url] = await until("the demo tells its address", () => printed.match(/(http:\/\/127\.0\.0\.1:\d+\/)\n/));
    await body(browser, url);
  } finally {
    await browser.close();
    process_.kill("SIGINT");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  }
}

const pane = (page, id) => page.locator(`iframe#${id}`).contentFrame();
const hint = (page, words) => page.locator("#hint", { hasText: words }).waitFor();

test("the demo leads through the promise by itself", () => demo(async (browser, url) => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  context.setDefaultTimeout(60_000);
  const page = await open(context, url);
  const chat = new Chat(pane(page, "site")), desk = new Desk(pane(page, "desk")), mail = pane(page, "mail");
  await chat.panel.waitFor();
  await chat.theirs("hold the button").waitFor();
  await chat.write("It stays cold.");
  await hint(page, "Close the shop");
  await desk.show("It stays cold.");
  await desk.message("It stays cold.").waitFor();
  await accessible(page, "all panes");
  await page.getByRole("button", { name: "Close the shop" }).click();
  await hint(page, "Answer her as Sara");
  const before = await mail.locator("li.mail").count();
  await desk.answer("Then you get a new one.");
  await hint(page, /goes out by mail in \d:\d\d/);
  await until("the mail is there", async () => (await mail.locator("li.mail").count()) > before);
  await hint(page, "Answer it there, as Jane");
  const letter = mail.locator("li.mail").first();
  await letter.getByRole("textbox").fill("Thank you, that is kind!");
  await letter.getByRole("button", { name: "Send mail" }).click();
  await desk.message("that is kind!").getByText("by email").waitFor();
  await hint(page, "Open the shop again");
  await page.getByRole("button", { name: "Open the shop again" }).click();
  await chat.mine("that is kind!").getByText("by email").waitFor();
  await accessible(page, "the end of the story");
  await picture(page, "demo");
  assert.deepEqual(page.complaints, []);
}));

test("who opens the demo late begins at the beginning", () => demo(async (browser, url) => {
  await until("the first answer went out by mail", async () => (await (await fetch(`${url}mailbox`)).text()).includes("data-number="));
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const page = await open(context, url);
  await pane(page, "site").getByRole("heading", { name: "The kettle" }).waitFor();
  await page.locator(".steps [aria-current=step][data-step=chat]").waitFor();
  await hint(page, "Write to the shop as Jane");
}));

test("on a phone the panes are tabs, and tell their news", () => demo(async (browser, url) => {
  const context = await browser.newContext({ viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true });
  context.setDefaultTimeout(60_000);
  const page = await open(context, url);
  const tab = (name) => page.getByRole("button", { name, exact: true });
  const desk = new Desk(pane(page, "desk")), chat = new Chat(pane(page, "site"));
  await pane(page, "site").getByRole("heading", { name: "The kettle" }).waitFor();
  await chat.panel.waitFor();
  await chat.box.fill("It stays cold.");
  await chat.root.getByRole("button", { name: "Send" }).click();
  await chat.mine("It stays cold.").getByText("Sent").waitFor();
  await page.locator(".choose .news", { hasText: "Desk" }).waitFor();
  await picture(page, "demo-phone");
  await tab("Desk").click();
  await desk.row("It stays cold.").waitFor();
  await accessible(page, "the desk on a phone");
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390, "nothing sticks out");
}));
