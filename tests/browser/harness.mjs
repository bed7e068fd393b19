// A real replyd with all that surrounds it on loopback: name server, the mail host of the people, the shop that has the
// widget on its pages, and a browser. Nothing is timed: `until` waits for what has to happen.
import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, mkdirSync, writeFileSync, openSync, closeSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { MailHost, newKey, post } from "./mail_host.mjs";
import { NameServer } from "./name_server.mjs";
import { chromium } from "./packages.mjs";

export const JANE = "jane@customer.example";
export const SARA = "sara@agents.example";
export const BOB = "bob@agents.example";
export const SECRET = "a-secret-of-the-shop";
const PATIENCE_MS = Number(process.env.PATIENCE_MS ?? 60_000);

/** Asks until the answer is something true, and returns it. */
export async function until(what, check) {
  const giveUp = Date.now() + PATIENCE_MS;
  for (;;) {
    const answer = await check();
    if (answer) return answer;
    if (Date.now() > giveUp) throw new Error(`still not so after ${PATIENCE_MS / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function freePort() {
  const probe = net.createServer();
  await new Promise((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/** The shop: every page has the widget; `?settings=` is JSON for it, `?identity=` who is signed in at the shop. */
class Shop {
  constructor(widget) {
    this.server = http.createServer((request, response) => {
      const url = new URL(request.url, "http://shop");
      const settings = url.searchParams.get("settings");
      const identity = url.searchParams.get("identity");
      response.setHeader("content-type", "text/html; charset=utf-8");
      response.end(`<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Kettle Shop</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body { font: 18px serif; margin: 2rem; } button, div, p { color: red; }</style></head>
<body><main><h1>Kettle Shop</h1><p id="page">${url.pathname.replace(/[^\w/]/g, "")}</p></main>
<script>
${settings ? `window.replydSettings = ${settings.replaceAll("<", "\\u003c")};` : ""}
window.replyd = window.replyd || { q: [] };
${identity ? `window.replyd.q.push(["setUser", ...${identity.replaceAll("<", "\\u003c")}]);` : ""}
</script>
<script async src="${widget()}"></script></body></html>`);
    });
  }

  async start() {
    await new Promise((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    this.origin = `http://127.0.0.1:${this.server.address().port}`;
  }

  page(path = "/", query = {}) {
    const url = new URL(path, this.origin);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, typeof value === "string" ? value : JSON.stringify(value));
    return url.href;
  }
}

/** The daemon. */
class Replyd {
  constructor(config) {
    this.folder = mkdtempSync(join(tmpdir(), "replyd-browser-"));
    mkdirSync(join(this.folder, "data"));
    this.file = join(this.folder, "replyd.toml");
    this.socket = join(this.folder, "data/replyd.sock");
    writeFileSync(this.file, config(this.folder));
  }

  async start() {
    const log = openSync(join(this.folder, "log"), "a");
    this.process = spawn(process.env.REPLYD, ["serve", "--config", this.file], { stdio: ["ignore", log, log] });
    closeSync(log);
    this.ended = new Promise((resolve) => this.process.once("exit", (code, signal) => resolve({ code, signal })));
    let end = null;
    this.ended.then((how) => { end = how; });
    await until("replyd is ready", async () => {
      if (end) throw new Error(`replyd ended with ${JSON.stringify(end)}: ${this.log()}`);
      return (await this.ask("GET", "/readyz").catch(() => ({}))).status === 200;
    });
  }

  /** SIGKILL: nothing is said, nothing is put away. */
  async kill() {
    this.process.kill("SIGKILL");
    await this.ended;
  }

  async stop() {
    this.process.kill("SIGTERM");
    await this.ended;
  }

  log() { return readFileSync(join(this.folder, "log"), "utf8").slice(-6000); }

  /** By the Unix socket, with the rights of the machine's owner. */
  ask(method, path, body) {
    return new Promise((resolve, reject) => {
      const headers = body === undefined ? {} : { "content-type": "application/json" };
      const request = http.request({ socketPath: this.socket, method, path, headers }, (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk) => { text += chunk; });
        response.on("end", () => resolve({ status: response.statusCode, text }));
        response.on("error", reject);
      });
      request.on("error", reject);
      request.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  async api(method, path, body) {
    const { status, text } = await this.ask(method, `/api/v1${path}`, body);
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${text}`);
    return text ? JSON.parse(text) : null;
  }

  command(words, input = "") {
    return new Promise((resolve, reject) => {
      const child = spawn(process.env.REPLYD, [...words, "--config", this.file]);
      let out = "", err = "";
      child.stdout.on("data", (chunk) => { out += chunk; });
      child.stderr.on("data", (chunk) => { err += chunk; });
      child.on("close", (code) => (code ? reject(new Error(`replyd ${words.join(" ")}: exit ${code}: ${err}`)) : resolve(out)));
      child.stdin.end(input);
    });
  }
}

/** Everything together. `inbox` is more of the inbox's config, `inboxes` more inboxes, `widget` more of its widget's, all TOML. */
export class Site {
  static async start(options) {
    const site = new Site();
    try {
      await site.begin(options);
      return site;
    } catch (error) {
      await site.stop();
      throw error;
    }
  }

  async begin({ inbox = "", inboxes = "", widget = {}, extra = "" } = {}) {
    this.key = newKey();
    this.mail = await MailHost.start();
    this.names = await NameServer.start({
      "customer.example": { MX: ["mx.home.example"] },
      "agents.example": { MX: ["mx.home.example"] },
      "mx.home.example": { A: ["127.0.0.1"] },
      "s1._domainkey.customer.example": { TXT: [this.key.record] },
      "_dmarc.customer.example": { TXT: ["v=DMARC1; p=reject"] },
      "reply.example": { TXT: ["v=spf1 ip4:127.0.0.1 -all"] },
    });
    const [smtp, web] = [await freePort(), await freePort()];
    this.smtp = smtp;
    this.origin = `http://127.0.0.1:${web}`;
    this.shop = new Shop(() => `${this.origin}/widget/v1/widget.js?inbox=acme/website`);
    await this.shop.start();
    const settings = { origins: [this.shop.origin], identity_secret: SECRET, title: "Kettle Shop", greeting: "How can we help?", ...widget };
    this.replyd = new Replyd(() => `
[server]
hostname = "mx.reply.example"
data_dir = "data"
[smtp]
listen = ["127.0.0.1:${smtp}"]
[http]
listen = ["127.0.0.1:${web}"]
public_url = "${this.origin}"
[dns]
servers = ["127.0.0.1:${this.names.port}"]
[outbound]
port = ${this.mail.port}
allow_private = true
dane = false
[limits]
disk_free = "16 MiB"
${extra}
[[account]]
name = "acme"
display_name = "Kettle Shop"
inbound_domain = "reply.example"
[[account.inbox]]
name = "website"
channel = "widget"
address = "support@reply.example"
offline_delay = "2 s"
unseen_delay = "4 s"
notify_agents = false
${inbox}
${process.env.NOWIDGET ? "" : `widget = ${toml(settings)}`}
${inboxes}
`);
    await this.replyd.start();
    await this.replyd.command(["agent", "add", SARA, "--name", "Sara", "--account", "acme"]);
  }

  identity(identifier, fields = {}) {
    const hash = createHmac("sha256", SECRET).update(identifier).digest("hex");
    return [identifier, { identifier_hash: hash, ...fields }];
  }

  /** As a mail client answers: to Reply-To, threaded, quoted, signed by the customer's mail host. */
  answer(mail, text, { from = `Jane Doe <${JANE}>`, signed = true } = {}) {
    return post({ port: this.smtp, from, answering: mail, text, key: signed ? this.key : null });
  }

  conversations() { return this.replyd.api("GET", "/conversations?account=acme").then((list) => list.items); }

  /** The only conversation there is, with its messages. */
  async conversation() {
    const [{ id }] = await until("a conversation", async () => { const all = await this.conversations(); return all.length && all; });
    return this.replyd.api("GET", `/conversations/${id}`);
  }

  /** The agent's answer, over the API. */
  say(conversation, text, more = {}) {
    return this.replyd.api("POST", `/conversations/${conversation.id}/messages`, { author: "agent", agent: SARA, text, ...more });
  }

  /** For the reader of a failure. */
  async state() {
    const queue = await this.replyd.ask("GET", "/api/v1/queue").catch((error) => ({ text: String(error) }));
    const list = await this.replyd.ask("GET", "/api/v1/conversations").catch((error) => ({ text: String(error) }));
    return `log:\n${this.replyd.log()}\nqueue: ${queue.text}\nconversations: ${list.text}`;
  }

  async stop() {
    await this.browser?.close();
    await this.replyd?.stop();
    this.shop?.server.closeAllConnections?.();
    this.shop?.server.close();
    this.names?.close();
    await this.mail?.close();
    if (this.replyd) rmSync(this.replyd.folder, { recursive: true, force: true });
  }

  /** A browser of its own for everyone: cookies and storage of one are never another's. */
  async person(options = {}) {
    this.browser ??= await newBrowser();
    const context = await this.browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    context.setDefaultTimeout(PATIENCE_MS);
    return context;
  }
}

/** As root Chromium has no sandbox, and here it meets nobody but us. A container may have little shared memory. */
export function newBrowser() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"] });
}

/** A test with a site of its own. */
export function story(name, options, body) {
  test(name, async (t) => {
    const site = await Site.start(options);
    try {
      await body(site, t);
    } catch (error) {
      t.diagnostic(await site.state());
      throw error;
    } finally {
      await site.stop();
    }
  });
}

/** A page whose script errors and refused resources fail the test. */
export async function open(context, url, { allowed = [] } = {}) {
  const page = await context.newPage();
  page.complaints = [];
  page.on("pageerror", (error) => page.complaints.push(String(error)));
  page.on("console", (line) => {
    if (line.type() === "error" && !allowed.some((words) => line.text().includes(words))) page.complaints.push(line.text());
  });
  await page.goto(url);
  return page;
}

function toml(value) {
  if (Array.isArray(value)) return `[${value.map(toml).join(", ")}]`;
  if (value !== null && typeof value === "object") return `{ ${Object.entries(value).map(([key, item]) => `${key} = ${toml(item)}`).join(", ")} }`;
  return JSON.stringify(value);
}
