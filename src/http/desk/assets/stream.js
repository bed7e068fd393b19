// The messages of a conversation, oldest first: days between them, older ones on demand, and changes in place.

import { h, show } from './dom.js';
import { icon } from './icons.js';
import { get } from './api.js';
import { announce, tried } from './say.js';
import { messageNode } from './message.js';
import { dayKey, dayName } from './time.js';
import { personName } from './words.js';

export const PAGE = 50;
const AT_END = 120;
const FAR = 200;
/** Of such pages. */
const REACHED = 10;

export class Stream {
  messages = [];
  drawn = new Map();
  top = 0;

  constructor(path, context) {
    this.path = path;
    this.context = context;
    this.list = h('ol', { 'aria-label': 'Messages' });
    this.older = h('p', { class: 'earlier', hidden: true }, h('button', { class: 'button small', type: 'button', on: { click: () => tried(() => this.earlier()) } }, 'Earlier messages'));
    this.scroll = h('div', { class: 'messages', tabindex: '-1' }, this.older, this.list);
    this.jump = h('button', { class: 'button small jump', type: 'button', hidden: true, on: { click: () => this.toEnd() } }, 'Newest');
    this.node = h('div', { class: 'stream-in' }, this.scroll, this.jump);
    this.scroll.addEventListener('scroll', () => this.scrolled(), { passive: true });
    this.grown = new ResizeObserver(() => this.pinned && this.toEnd());
    this.grown.observe(this.list);
    this.grown.observe(this.scroll);
    for (const event of ['wheel', 'touchmove', 'keydown', 'pointerdown']) this.scroll.addEventListener(event, () => { this.pinned = false; }, { passive: true });
  }

  leave() {
    this.grown.disconnect();
  }

  first({ items, next }) {
    this.messages = items;
    this.older.hidden = !next;
    this.draw();
    this.toEnd();
  }

  latest() {
    return this.messages.at(-1);
  }

  atEnd() {
    return this.scroll.scrollHeight - this.scroll.scrollTop - this.scroll.clientHeight < AT_END;
  }

  /** Whoever goes up, by whatever means, is not pulled down again. */
  scrolled() {
    const top = this.scroll.scrollTop;
    if (this.atEnd()) this.jump.hidden = true;
    else if (top < this.top - 4) this.pinned = false;
    this.top = top;
  }

  /** Stays there while pictures and late layout still make it longer. */
  toEnd() {
    this.pinned = true;
    this.scroll.scrollTop = this.scroll.scrollHeight;
    this.jump.hidden = true;
  }

  /** Takes the latest as the server has them; answers which are new. */
  merge(page) {
    const latest = page.items;
    const known = new Set(this.messages.map(({ id }) => id));
    if (page.next && !latest.some(({ id }) => known.has(id))) {
      // So much came meanwhile that some stand between: from here on as when it was opened.
      this.first(page);
      return latest;
    }
    const fresh = latest.filter(({ id }) => !known.has(id));
    const kept = new Set(latest.map(({ id }) => id));
    const begin = latest[0]?.created_at ?? '';
    const before = this.messages.filter((message) => !kept.has(message.id) && message.created_at < begin);
    this.messages = [...before, ...latest];
    const follow = this.atEnd();
    this.draw();
    if (follow) this.toEnd();
    if (!fresh.length) return fresh;
    if (!follow) this.jump.hidden = false;
    const last = fresh.at(-1);
    announce(`New message from ${personName(last.author)}: ${last.text.slice(0, 200)}`);
    return fresh;
  }

  forget(id) {
    this.messages = this.messages.filter((message) => message.id !== id);
    this.draw();
  }

  /** Answers a message that is not known to the server's list yet. */
  add(message) {
    if (this.messages.some(({ id }) => id === message.id)) return;
    this.messages.push(message);
    this.draw();
    this.toEnd();
  }

  /** Shows this message, wherever it stands, and marks it. */
  async reach(id) {
    const isThere = () => this.messages.some((message) => message.id === id);
    for (let pages = 0; pages < REACHED && !isThere() && !this.older.hidden; pages++) await this.earlier(FAR);
    const node = this.drawn.get(id)?.node;
    if (!node?.isConnected) return;
    this.pinned = false;
    node.classList.add('found');
    // What comes into view gets its true height only then.
    for (let looks = 0; looks < 4; looks++) {
      node.scrollIntoView({ block: 'center' });
      await new Promise((drawn) => { requestAnimationFrame(drawn); });
    }
    this.jump.hidden = this.atEnd();
  }

  async earlier(limit = PAGE) {
    const before = this.messages[0]?.id;
    const page = await get(`${this.path}/messages`, { before, limit });
    const known = new Set(this.messages.map(({ id }) => id));
    const found = page.items.filter(({ id }) => !known.has(id));
    const height = this.scroll.scrollHeight;
    this.pinned = false;
    this.messages = [...found, ...this.messages];
    this.older.hidden = !page.next;
    this.draw();
    this.scroll.scrollTop += this.scroll.scrollHeight - height;
  }

  draw() {
    const nodes = [];
    let day = 0;
    for (const message of this.messages) {
      const itsDay = dayKey(message.created_at);
      if (itsDay !== day) nodes.push(this.dayNode(itsDay, message));
      day = itsDay;
      nodes.push(this.nodeOf(message));
    }
    nodes.forEach((node, at) => {
      if (this.list.children[at] !== node) this.list.insertBefore(node, this.list.children[at] ?? null);
    });
    while (this.list.childElementCount > nodes.length) this.list.lastElementChild.remove();
    if (!nodes.length) show(this.list, h('li', { class: 'empty' }, icon('chat'), h('p', null, 'Nothing was written yet.')));
  }

  dayNode(key, message) {
    const known = this.drawn.get(key);
    if (known) return known.node;
    const node = h('li', { class: 'day' }, dayName(message.created_at));
    this.drawn.set(key, { node });
    return node;
  }

  /** What did not change stays the node it is; what did keeps its folds open. */
  nodeOf(message) {
    const said = JSON.stringify(message);
    const known = this.drawn.get(message.id);
    if (known?.said === said) return known.node;
    const node = messageNode(message, this.context);
    for (const fold of known?.node.querySelectorAll('details[open]') ?? []) {
      const same = [...node.querySelectorAll('details')].find((one) => one.dataset.fold === fold.dataset.fold);
      if (same) same.open = true;
    }
    this.drawn.set(message.id, { node, said });
    if (known) known.node.replaceWith(node);
    return node;
  }
}
