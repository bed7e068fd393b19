// What an agent does at the desk, by the names and roles that a person or a screen reader finds it by.
import { SARA, open } from "./harness.mjs";

export const PASSWORD = "correct horse battery staple";

export class Desk {
  constructor(page) {
    this.page = page;
    this.box = page.getByRole("textbox", { name: "Your answer" });
  }

  /** Signs in with address and password. */
  static async enter(site, context, email = SARA) {
    await site.replyd.command(["agent", "password", email], `${PASSWORD}\n`);
    const desk = new Desk(await open(context, `${site.origin}/desk/sign-in`, { allowed: ["401", "403"] }));
    await desk.signIn(site, email);
    return desk;
  }

  async signIn(site, email = SARA) {
    const { page } = this;
    await page.goto(`${site.origin}/desk/sign-in`);
    const form = page.locator("form", { has: page.getByLabel(/password/i) });
    await form.getByLabel(/email|address/i).fill(email);
    await form.getByLabel(/password/i).fill(PASSWORD);
    await form.getByRole("button").click();
    await page.waitForURL(/\/desk\/(#.*)?$/);
  }

  row(text) { return this.page.locator(".rows li", { hasText: text }); }

  async show(text) {
    await this.row(text).getByRole("link").click();
    await this.box.waitFor();
  }

  async write(text) {
    await this.box.fill(text);
    await this.page.getByRole("button", { name: "Send", exact: true }).click();
    await this.message(text).waitFor();
  }

  /** Writes it, and does not wait until it can no longer be taken back. */
  async answer(text) {
    await this.write(text);
    await this.message(text).getByRole("button", { name: "Send now" }).click();
    await this.message(text).getByText("Not sent yet").waitFor({ state: "detached" });
  }

  message(text) { return this.page.locator("li.message", { hasText: text }); }
}
