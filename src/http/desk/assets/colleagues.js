// Several people at once: which agents look at this conversation, who is typing, the visitor included.

import { h, show } from './dom.js';
import { post } from './api.js';
import { isMe, session } from './session.js';
import { personName } from './words.js';

const BEAT = 20_000;
const VIEW_LASTS = 50_000;
const TYPING_LASTS = 8000;

export class Colleagues {
  viewing = new Map();
  typing = new Map();

  constructor(page) {
    this.page = page;
    this.line = h('div', { class: 'typing', 'aria-live': 'polite' });
    this.tick = setInterval(() => this.draw(), 2000);
    this.seen = () => this.say();
    document.addEventListener('visibilitychange', this.seen);
  }

  come() {
    this.say();
    this.beat = setInterval(() => this.say(), BEAT);
  }

  go() {
    clearInterval(this.tick);
    clearInterval(this.beat);
    document.removeEventListener('visibilitychange', this.seen);
    post(`${this.page.path}/viewing`, { viewing: false }, { keepalive: true }).catch(() => {});
  }

  say() {
    if (!document.hidden) this.page.read();
    post(`${this.page.path}/viewing`, { viewing: !document.hidden }).catch(() => {});
  }

  hear(kind, data) {
    const person = this.personOf(data);
    if (kind === 'message.created') this.typing.clear();
    if (!person || isMe(person)) return;
    if (kind === 'viewing') this.note(this.viewing, person, data.viewing !== false, VIEW_LASTS);
    if (kind === 'typing') this.note(this.typing, person, data.typing !== false, TYPING_LASTS);
    if (kind === 'typing' && !data.typing && !person.isContact) this.page.refreshSoon();
    this.draw();
  }

  /** Whispers name an agent by object or address; without one it is the contact. */
  personOf(data) {
    const agent = data.agent ?? data.author;
    if (!agent || agent.kind === 'contact') return { ...this.page.conversation.contact, isContact: true };
    const email = typeof agent === 'string' ? agent : agent.email;
    return session.agents.find((one) => one.email === email) ?? (typeof agent === 'string' ? { name: agent, email: agent } : agent);
  }

  note(map, person, on, lasts) {
    const key = person.isContact ? 'contact' : person.email;
    if (on) map.set(key, { person, until: Date.now() + lasts });
    else map.delete(key);
  }

  draw() {
    const now = Date.now();
    for (const map of [this.viewing, this.typing]) {
      for (const [key, { until }] of map) if (until < now) map.delete(key);
    }
    const looking = [...this.viewing.values()].map(({ person }) => person).filter((person) => !person.isContact);
    const names = looking.map((person) => personName(person).split(' ')[0]);
    this.page.head.showOthers(names.length ? `${names.join(', ')} ${names.length > 1 ? 'look' : 'looks'} at this too` : '', looking);
    const typing = [...this.typing.values()].map(({ person }) => personName(person).split(' ')[0]);
    const words = typing.length ? `${typing.join(', ')} ${typing.length > 1 ? 'are' : 'is'} typing` : '';
    if (this.words === words) return;
    this.words = words;
    show(this.line, words ? [h('span', { class: 'dots', 'aria-hidden': 'true' }, h('i'), h('i'), h('i')), words] : null);
  }
}
