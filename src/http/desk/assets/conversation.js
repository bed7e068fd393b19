// The page of one conversation: reads it, keeps it fresh, and ties head, stream, composer and details together.

import { calm, h, show } from './dom.js';
import { icon } from './icons.js';
import { get, post } from './api.js';
import { listen } from './feed.js';
import { tried } from './say.js';
import { Head } from './head.js';
import { PAGE, Stream } from './stream.js';
import { Composer } from './composer.js';
import { Colleagues } from './colleagues.js';
import { details } from './details.js';
import { here } from './router.js';
import { isMe } from './session.js';
import { personName } from './words.js';

const wide = matchMedia('(min-width: 1180px)');
let detailsWanted = null;

export class ConversationPage {
  constructor(id, list) {
    this.id = id;
    this.list = list;
    this.path = `/api/v1/conversations/${encodeURIComponent(id)}`;
    this.node = h('div', { class: 'conversation' });
    this.refreshSoon = calm(120, () => this.refresh());
  }

  async open() {
    show(this.node, h('div', { class: 'empty' }, h('p', null, 'Loading …')));
    const [conversation, latest] = await this.look();
    if (this.closed) return;
    this.conversation = conversation;
    this.context = {
      conversation,
      changed: () => this.refreshSoon(),
      gone: (message) => this.forget(message),
      restore: (text, mode) => this.composer.restore(text, mode),
    };
    this.head = new Head(this);
    this.stream = new Stream(this.path, this.context);
    this.composer = new Composer(this);
    this.colleagues = new Colleagues(this);
    this.side = h('aside', { class: 'details', 'aria-label': 'Details', hidden: !this.detailsShown() });
    const stream = h('div', { class: 'stream' }, this.stream.node, this.colleagues.line, this.composer.node);
    show(this.node, this.head.node, stream, this.side);
    this.draw();
    this.stream.first(latest);
    this.quiet = listen((kind, data) => this.news(kind, data));
    this.colleagues.come();
    this.read();
    this.resized = () => this.fitDetails();
    wide.addEventListener('change', this.resized);
    const sought = here().params.get('query');
    if (sought) this.reach(sought);
  }

  /** A search found the conversation: what was sought may stand far above its end. */
  async reach(sought) {
    const found = await get(`${this.path}/find`, { query: sought }).catch(() => null);
    if (found?.message_id && !this.closed) await this.stream.reach(found.message_id);
  }

  /** Long threads are read by pages, also each time something happens in them. */
  look() {
    return Promise.all([get(this.path, { messages: 0 }), get(`${this.path}/messages`, { limit: PAGE })]);
  }

  close() {
    this.closed = true;
    wide.removeEventListener('change', this.resized);
    this.quiet?.();
    this.composer?.leave();
    this.colleagues?.go();
    this.stream?.leave();
  }

  detailsShown() {
    return wide.matches && detailsWanted !== false;
  }

  /** Where they would lie over the messages, they are there when asked for. */
  fitDetails() {
    this.side.hidden = !this.detailsShown();
    this.head.draw();
  }

  toggleDetails() {
    this.side.hidden = !this.side.hidden;
    if (wide.matches) detailsWanted = !this.side.hidden;
    this.head.draw();
  }

  draw() {
    this.context.conversation = this.conversation;
    this.head.draw();
    this.composer.draw();
    this.drawDetails();
  }

  /** Only if something changed, and with the focus where it was. */
  drawDetails() {
    const said = JSON.stringify(this.conversation);
    if (this.said === said) return;
    this.said = said;
    const places = () => [...this.side.querySelectorAll('a, button')];
    const focused = places().indexOf(document.activeElement);
    const top = this.side.scrollTop;
    show(this.side, details(this.conversation, () => this.refreshSoon()));
    this.side.scrollTop = top;
    if (focused >= 0) places()[focused]?.focus({ preventScroll: true });
  }

  news(kind, data) {
    if (kind === 'resumed' || kind === 'reset') return this.refreshSoon();
    if (data.conversation_id !== this.id) return undefined;
    this.colleagues.hear(kind, data);
    if (kind === 'presence') this.conversation.presence = { state: data.state ?? data.presence?.state, since: data.since ?? new Date().toISOString() };
    if (kind === 'presence') this.draw();
    if (kind === 'taken_back') this.forget(data.message_id);
    if (kind !== 'typing' && kind !== 'viewing') this.refreshSoon();
    return undefined;
  }

  /** What is there by now: the conversation, and its latest messages. */
  async refresh() {
    const [conversation, latest] = await this.look().catch(() => []);
    if (!conversation || this.closed) return;
    const fresh = this.stream.merge(latest);
    this.conversation = conversation;
    this.draw();
    this.composer.came(fresh.filter(({ direction, author }) => direction === 'outgoing' && !isMe(author)));
    if (fresh.length) this.read();
  }

  /** Nobody said it: neither on the screen nor in a warning. */
  forget(message) {
    this.stream.forget(message);
    this.composer.forget(message);
  }

  /** Read is what was shown while somebody could look. */
  read() {
    const last = this.stream.latest();
    if (!last || document.hidden || last.id === this.readUpTo) return;
    this.readUpTo = last.id;
    post(`${this.path}/read`, { up_to: last.id }).then(() => this.list.amend(this.id, { unread: false }), () => {});
  }

  async change(changes, done) {
    const changed = await tried(() => this.head.patch(changes));
    if (!changed) return;
    this.conversation = { ...this.conversation, ...changed };
    this.draw();
    this.refreshSoon();
    this.list.refreshSoon();
    done?.();
  }

  title() {
    return this.conversation ? personName(this.conversation.contact) : '';
  }
}

export function nothingOpen() {
  return h('div', { class: 'empty' }, icon('chat'), h('h2', null, 'No conversation open'), h('p', null, 'Choose one from the list, or press ', h('kbd', null, 'j'), '.'));
}
