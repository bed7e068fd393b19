// The list of conversations: views, filters, search, pages that come as one scrolls, and news without a jump.

import { calm, h, put, show } from './dom.js';
import { icon } from './icons.js';
import { get } from './api.js';
import { listen } from './feed.js';
import { go, here, to } from './router.js';
import { again, readAgents, readAnswers, readSettings, session } from './session.js';
import { hasDraft } from './drafts.js';
import { row } from './row.js';

const PAGE = 40;
const VIEWS = [['me', 'Mine'], ['none', 'Unassigned'], ['', 'All']];
const STATES = [['open', 'Open'], ['unread', 'Unread'], ['snoozed', 'Snoozed'], ['resolved', 'Resolved'], ['any', 'Any state']];
const FILTERS = ['assignee', 'state', 'inbox', 'query'];

export function conversationList() {
  const list = new List();
  list.start();
  return list;
}

class List {
  items = [];
  next = null;
  loading = null;
  asked = '';

  constructor() {
    this.views = h('nav', { class: 'views', 'aria-label': 'Whose conversations' });
    this.search = h('input', { class: 'field', type: 'search', placeholder: 'Search messages, people, subjects', 'aria-label': 'Search conversations', autocomplete: 'off', enterkeyhint: 'search' });
    this.clear = h('button', { class: 'icon-button clear', type: 'button', 'aria-label': 'Clear the search', hidden: true }, icon('close', 'small'));
    this.state = select('State', STATES);
    this.inbox = select('Inbox', []);
    this.rows = h('ul', { 'aria-label': 'Conversations' });
    this.end = h('p', { class: 'end', role: 'status' });
    this.scroll = h('div', { class: 'rows' }, this.rows, this.end);
    this.node = h('section', { class: 'list', 'aria-label': 'List of conversations' },
      h('div', { class: 'list-head' },
        h('div', { class: 'list-title' }, h('h1', null, 'Conversations'), this.filters()),
        this.views,
        h('div', { class: 'search' }, icon('search', ''), this.search, this.clear)),
      this.scroll);
  }

  filters() {
    this.drawInboxes();
    return h('div', { class: 'filters' }, this.state, this.inbox);
  }

  drawInboxes() {
    const chosen = this.inbox.value;
    show(this.inbox, [['', 'All inboxes'], ...session.inboxes.map(({ name }) => [name, name])].map(([value, words]) => h('option', { value }, words)));
    this.inbox.hidden = session.inboxes.length < 2;
    this.inbox.value = chosen;
  }

  start() {
    this.rows.addEventListener('click', (event) => this.openRow(event));
    this.state.addEventListener('change', () => this.filter({ state: this.state.value }));
    this.inbox.addEventListener('change', () => this.filter({ inbox: this.inbox.value }));
    this.search.addEventListener('input', calm(250, () => this.filter({ query: this.search.value.trim() })));
    this.search.addEventListener('keydown', (event) => this.leaveSearch(event));
    this.clear.addEventListener('click', () => {
      this.search.value = '';
      this.filter({ query: '' });
      this.search.focus();
    });
    new IntersectionObserver(([seen]) => seen.isIntersecting && this.more(), { root: this.scroll, rootMargin: '600px' }).observe(this.end);
    this.refreshSoon = calm(350, () => this.refresh());
    listen((kind, data) => this.news(kind, data));
  }

  /** A row may be older than what is sought by now: it opens where one is. */
  openRow(event) {
    const id = event.target.closest('li')?.dataset.id;
    if (!id || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go(to('conversations', id, this.params));
  }

  leaveSearch(event) {
    if (event.key === 'Escape' && this.search.value) {
      event.preventDefault();
      this.clear.click();
    } else if (event.key === 'ArrowDown' || event.key === 'Enter') {
      event.preventDefault();
      this.rows.querySelector('a')?.focus();
    }
  }

  news(kind, data) {
    if (kind === 'presence') this.amend(data.conversation_id, { presence: { state: data.state, since: new Date().toISOString() } });
    if (['message.created', 'conversation.changed', 'delivery.changed', 'bounce', 'resumed', 'reset'].includes(kind)) this.refreshSoon();
    if (kind === 'resumed' || kind === 'reset') Promise.all([readSettings, readAgents, readAnswers].map(again)).then(() => this.drawInboxes());
  }

  filter(changes) {
    const { id, params } = here();
    for (const [name, value] of Object.entries(changes)) value ? params.set(name, value) : params.delete(name);
    if (params.get('state') === unchosen(params)) params.delete('state');
    go(to('conversations', id, params), 'replace');
  }

  /** Called at every move: reads anew only if the filters did change. */
  show({ params, id }) {
    this.params = new URLSearchParams([...params].filter(([name]) => FILTERS.includes(name)));
    this.openId = id;
    this.drawFilters();
    const asked = this.params.toString();
    if (asked === this.asked && this.items.length) return this.mark();
    this.asked = asked;
    return this.reload();
  }

  drawFilters() {
    const at = this.params.get('assignee') ?? '';
    show(this.views, VIEWS.map(([assignee, words]) => {
      const params = new URLSearchParams(this.params);
      assignee ? params.set('assignee', assignee) : params.delete('assignee');
      return h('a', { href: to('conversations', null, params), 'aria-current': assignee === at ? 'page' : null }, words);
    }));
    this.state.value = this.params.get('state') ?? unchosen(this.params);
    this.inbox.value = this.params.get('inbox') ?? '';
    const query = this.params.get('query') ?? '';
    if (document.activeElement !== this.search) this.search.value = query;
    this.clear.hidden = !query;
  }

  query(cursor) {
    const state = this.params.get('state') ?? unchosen(this.params);
    return {
      assignee: this.params.get('assignee'), inbox: this.params.get('inbox'), query: this.params.get('query'),
      status: state === 'any' ? null : state === 'unread' ? null : state,
      unread: state === 'unread' ? 'true' : null, limit: PAGE, cursor,
    };
  }

  async reload() {
    this.items = [];
    this.next = null;
    this.end.textContent = 'Loading …';
    this.scroll.scrollTop = 0;
    await this.read(null);
  }

  more() {
    if (this.next && !this.loading) this.read(this.next);
  }

  async read(cursor) {
    const asked = this.asked;
    this.loading = asked;
    try {
      const page = await get('/api/v1/conversations', this.query(cursor));
      if (asked !== this.asked) return;
      const known = new Set(this.items.map(({ id }) => id));
      const fresh = page.items.filter(({ id }) => !known.has(id));
      this.items.push(...fresh);
      this.next = page.next;
      if (cursor) put(this.rows, fresh.map((item) => this.row(item)));
      else this.draw();
      this.end.textContent = this.next ? 'Loading more …' : '';
    } catch (error) {
      this.failed(error);
    } finally {
      if (this.loading === asked) this.loading = null;
    }
  }

  failed(error) {
    show(this.end, error.message, ' ', h('button', { class: 'link', type: 'button', on: { click: () => this.reload() } }, 'Try again'));
  }

  /** The first page again; what stood below it stays, as far as it still can. */
  async refresh() {
    if (this.refreshing) return this.refreshSoon();
    const asked = this.asked;
    this.refreshing = true;
    const page = await get('/api/v1/conversations', this.query(null)).catch(() => null);
    this.refreshing = false;
    if (!page || asked !== this.asked) return;
    const fresh = new Set(page.items.map(({ id }) => id));
    const oldest = page.items.at(-1)?.last_message_at ?? '';
    const below = page.next ? this.items.filter((item) => !fresh.has(item.id) && (item.last_message_at ?? '') <= oldest) : [];
    this.items = [...page.items, ...below];
    if (!below.length) this.next = page.next;
    this.draw();
  }

  /** Rows that did not change stay the nodes they are: focus and scroll survive. */
  draw() {
    const old = new Map([...this.rows.children].map((node) => [node.dataset.id, node]));
    const focused = document.activeElement?.closest?.('.rows li')?.dataset.id;
    const nodes = this.items.map((item) => {
      const node = old.get(item.id);
      return node?.drawn === drawnOf(item, this.params) ? node : this.row(item);
    });
    nodes.forEach((node, at) => {
      if (this.rows.children[at] !== node) this.rows.insertBefore(node, this.rows.children[at] ?? null);
    });
    while (this.rows.childElementCount > nodes.length) this.rows.lastElementChild.remove();
    if (focused) this.rows.querySelector(`li[data-id="${CSS.escape(focused)}"] a`)?.focus({ preventScroll: true });
    if (!this.items.length) this.end.textContent = '';
    this.drawEmpty();
    this.mark();
  }

  drawEmpty() {
    this.empty?.remove();
    if (this.items.length) return;
    const query = this.params.get('query');
    const words = query ? ['Nothing found', /\d$/.test(query) ? 'Numbers are found when they are whole.' : 'Try fewer or other words.'] : ['Nothing here', 'New conversations appear by themselves.'];
    this.empty = h('div', { class: 'empty' }, icon('inbox'), h('h2', null, words[0]), h('p', null, words[1]));
    this.scroll.append(this.empty);
  }

  row(item) {
    const node = row(item, this.params, this.openId);
    node.drawn = drawnOf(item, this.params);
    return node;
  }

  mark() {
    for (const node of this.rows.children) {
      const link = node.firstElementChild;
      if (node.dataset.id === this.openId) link.setAttribute('aria-current', 'true');
      else link.removeAttribute('aria-current');
    }
  }

  /** What another part of the desk just changed, shown before the server's news. */
  amend(id, changes) {
    const item = this.items.find((item) => item.id === id);
    if (!item) return;
    Object.assign(item, changes);
    this.draw();
  }

  /** j and k: the focus, and on a wide screen the open conversation, goes on by one. */
  step(by) {
    const rows = [...this.rows.children];
    if (!rows.length) return;
    const focused = rows.findIndex((node) => node.contains(document.activeElement));
    const open = rows.findIndex((node) => node.dataset.id === this.openId);
    const from = focused >= 0 ? focused : open;
    const target = rows[Math.max(0, Math.min(rows.length - 1, from + by))];
    const link = target.querySelector('a');
    link.focus({ preventScroll: true });
    target.scrollIntoView({ block: 'nearest' });
    if (this.openId) go(link.getAttribute('href'));
  }
}

/** What is sought may long be resolved; what waits for an answer is open. */
const unchosen = (params) => (params.get('query') ? 'any' : 'open');

const drawnOf = (item, params) => JSON.stringify([item, params.toString(), hasDraft(item.id)]);

function select(label, options) {
  return h('select', { class: 'field', 'aria-label': label }, options.map(([value, words]) => h('option', { value }, words)));
}
