// What a visitor does with the widget, by the names and roles that a person or a screen reader finds it by.
import { open } from "./harness.mjs";

export class Chat {
  constructor(page) {
    this.page = page;
    this.root = page.locator("replyd-chat");
    this.panel = this.root.getByRole("dialog");
    this.launcher = this.root.locator(".launcher");
    this.box = this.root.getByRole("textbox", { name: "Write a message" });
    this.log = this.root.getByRole("log");
  }

  /** Comes to the shop and opens the chat there. */
  static async enter(context, url, settings) {
    const chat = new Chat(await open(context, url, settings));
    await chat.launcher.waitFor();
    if (!(await chat.panel.isVisible())) await chat.launcher.click();
    await chat.panel.waitFor();
    return chat;
  }

  async write(text) {
    await this.box.fill(text);
    await this.box.press("Enter");
    await this.mine(text).locator(".meta", { hasText: /Sent|Seen/ }).waitFor();
  }

  /** The visitor's own message. */
  mine(text) { return this.log.locator(".message.mine", { hasText: text }); }

  /** A message of somebody else. */
  theirs(text) { return this.log.locator(".message.theirs", { hasText: text }); }

  /** Answers the request for an address. */
  async tellAddress(email) {
    await this.log.getByRole("textbox").fill(email);
    await this.log.getByRole("button", { name: "Save" }).click();
    await this.root.getByText(`answers go to ${email}`).first().waitFor();
  }

  async messages() { return this.log.locator(".message .text").allTextContents(); }
}
