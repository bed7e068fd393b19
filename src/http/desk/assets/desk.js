// The desk begins here: who sits here, then pages by address, keys and news.

import { h, show } from './dom.js';
import { begin } from './session.js';
import { listen, open as openFeed } from './feed.js';
import { here, onMove, go, to } from './router.js';
import { markPage, rail } from './rail.js';
import { conversationList } from './list.js';
import { ConversationPage, nothingOpen } from './conversation.js';
import { mailLog } from './mail_log.js';
import { queuePage } from './queue.js';
import { answersPage } from './answers.js';
import { settingsPage } from './settings.js';
import { startKeys } from './keys.js';
import { hush, mountVoice, refuse } from './say.js';
import { takeWay } from './way_back.js';

const PAGES = { mail: mailLog, queue: queuePage, answers: answersPage, settings: settingsPage };
const TITLES = { mail: 'Where is my mail?', queue: 'Queue', answers: 'Canned answers', settings: 'Settings' };
const LOST_SHOWN_AFTER = 4000;
const phone = matchMedia('(max-width: 759px)');

const desk = document.getElementById('desk');
const main = h('main', { id: 'main', tabindex: '-1' });
let list;
let nav;
let open = null;
let missed = 0;

async function start() {
  mountVoice();
  try {
    await begin();
  } catch (error) {
    if (error.status !== 401) show(desk, h('div', { class: 'empty' }, h('h2', null, 'The desk did not open'), h('p', null, error.message), h('button', { class: 'button', type: 'button', on: { click: () => location.reload() } }, 'Try again')));
    return;
  }
  takeWay();
  nav = rail();
  list = conversationList();
  show(desk, nav, list.node, main);
  onMove(move);
  startKeys(acts());
  openFeed();
  listen(title);
  listen(offline());
  document.getElementById('skip').addEventListener('click', (event) => {
    event.preventDefault();
    main.focus();
  });
  move(here());
}

function move(at) {
  markPage(nav, at.page);
  if (PAGES[at.page]) return showPage(at.page);
  list.show(at);
  place(at.id ? 'conversation' : 'list');
  if (open?.id === at.id && open) return undefined;
  leave();
  if (!at.id) {
    show(main, nothingOpen());
    return title();
  }
  open = new ConversationPage(at.id, list);
  show(main, open.node);
  const opening = open;
  if (phone.matches) main.focus({ preventScroll: true });
  return open.open().then(() => title(), (error) => {
    if (opening.closed) return;
    show(main, h('div', { class: 'empty' }, h('h2', null, error.status === 404 ? 'There is no such conversation' : 'It cannot be shown'), h('p', null, error.message)));
  });
}

function showPage(name) {
  if (open?.name === name) return open.moved?.();
  leave();
  place('page');
  open = { name, ...PAGES[name]() };
  show(main, open.node);
  Promise.resolve(open.start?.()).catch(refuse);
  return title();
}

/** On a phone one part is shown at a time, and that part is the main one. */
function place(part) {
  desk.dataset.at = part;
  if (phone.matches && part === 'list') list.node.setAttribute('role', 'main');
  else list.node.removeAttribute('role');
}

function leave() {
  open?.close?.();
  if (open) hush();
  open = null;
}

/** The tab's title counts what came while nobody looked. */
function title(kind, data) {
  if (kind === 'message.created' && document.hidden && data.detail?.direction === 'incoming') missed++;
  const name = open?.title?.() || TITLES[open?.name] || 'Conversations';
  document.title = `${missed ? `(${missed}) ` : ''}${name} · replyd`;
}

document.addEventListener('visibilitychange', () => {
  missed = 0;
  if (list) title();
});

function offline() {
  const bar = h('div', { class: 'offline', role: 'status', hidden: true }, 'Not connected. What you see may be old; trying again …');
  document.body.prepend(bar);
  let timer = 0;
  return (kind) => {
    if (kind === 'lost' && !timer) timer = setTimeout(() => { bar.hidden = false; }, LOST_SHOWN_AFTER);
    if (kind !== 'connected') return;
    clearTimeout(timer);
    timer = 0;
    bar.hidden = true;
  };
}

function acts() {
  const inConversation = (act) => () => (open instanceof ConversationPage && open.conversation ? act(open) : false);
  const inList = (act) => () => (open?.name ? false : act());
  return {
    j: inList(() => list.step(1)), k: inList(() => list.step(-1)),
    '/': inList(() => { if (desk.dataset.at === 'conversation' && phone.matches) return false; list.search.focus(); list.search.select(); return true; }),
    r: inConversation((page) => page.composer.turn('reply', true)),
    n: inConversation((page) => page.composer.turn('note', true)),
    e: inConversation((page) => page.head.turn()),
    z: inConversation((page) => page.head.chooseTime()),
    a: inConversation((page) => page.head.chooseAssignee()),
    m: inConversation((page) => page.head.assignToMe()),
    i: inConversation((page) => page.toggleDetails()),
    u: inConversation((page) => page.node.querySelector('[data-undo]')?.click() ?? true),
    Escape: () => escape(),
  };
}

/** First out of what one writes in, then back to the list. */
function escape() {
  if (document.activeElement?.matches('input, textarea, select')) return document.activeElement.blur();
  if (open instanceof ConversationPage) {
    const id = open.id;
    go(to('conversations', null, here().params));
    list.rows.querySelector(`li[data-id="${CSS.escape(id)}"] a`)?.focus();
    return undefined;
  }
  return false;
}

start();
