// SIGKILL between any two steps: the story still ends right, with one mail.
import assert from "node:assert/strict";
import { Chat } from "./chat.mjs";
import { Desk } from "./desk.mjs";
import { story, until } from "./harness.mjs";

/** One visitor, and what replyd knows of the conversation. */
class Tale {
  constructor(site, desk, number) {
    Object.assign(this, { site, desk, address: `jane${number}@customer.example`, question: `Kettle ${number} stays cold.`, number });
  }

  async conversation() {
    const found = await until("the conversation", async () => {
      const all = await this.site.conversations();
      const shown = await Promise.all(all.map(({ id }) => this.site.replyd.api("GET", `/conversations/${id}`)));
      return shown.find(({ messages }) => messages[0]?.text === this.question);
    });
    return found;
  }

  steps = [
    ["the visitor writes", async () => {
      this.context = await this.site.person();
      this.chat = await Chat.enter(this.context, this.site.shop.page());
      await this.chat.write(this.question);
    }],
    ["the visitor tells an address", () => this.chat.tellAddress(this.address)],
    ["the visitor leaves", async () => {
      await this.chat.page.close();
      await until("it is known", async () => (await this.conversation()).presence.state === "absent");
    }],
    ["the agent answers at the desk", async () => {
      await this.desk.show(this.question);
      await this.desk.answer(`Answer ${this.number}.`);
    }],
    ["the answer goes out by mail", async () => {
      this.mail = await this.site.mail.next(this.address);
      await until("replyd knows that it is delivered", async () => (await this.conversation()).messages.at(-1).delivery?.state === "delivered");
    }],
    ["the visitor answers the mail", () => this.site.answer(this.mail, `It boils, ${this.number}!`, { from: `Jane <${this.address}>` })],
    ["the desk has it", () => this.desk.message(`It boils, ${this.number}!`).getByText("by email").waitFor()],
    ["the visitor comes back", async () => {
      this.chat = await Chat.enter(this.context, this.site.shop.page());
      await this.chat.mine(`It boils, ${this.number}!`).getByText("by email").waitFor();
    }],
  ];

  /** Runs all steps; replyd dies between two of them wherever `dies` says so. */
  async run(dies) {
    for (const [index, [, step]] of this.steps.entries()) {
      await step();
      if (!dies(index)) continue;
      await this.site.replyd.kill();
      await this.site.replyd.start();
    }
    await until("all is seen", async () => (await this.conversation()).unseen_by_contact === 0);
    const { messages } = await this.conversation();
    assert.deepEqual(messages.map(({ text }) => text.trim()), [this.question, `Answer ${this.number}.`, `It boils, ${this.number}!`]);
    assert.equal(this.site.mail.of(this.address).length, 1, "one mail");
    await this.context.close();
  }
}

story("whenever replyd is killed, the story ends right with one mail", {}, async (site, t) => {
  const desk = await Desk.enter(site, await site.person());
  const count = new Tale(site, desk, 0).steps.length;
  await new Tale(site, desk, "all").run(() => true);
  for (let at = 0; at < count - 1; at += 1) {
    const tale = new Tale(site, desk, at);
    t.diagnostic(`killed after: ${tale.steps[at][0]}`);
    await tale.run((index) => index === at);
  }
});
