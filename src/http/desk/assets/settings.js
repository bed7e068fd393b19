// The account's settings as the config has them, and what its mails look like. They are changed in the config file.

import { h, show } from './dom.js';
import { get, withQuery } from './api.js';
import { pageNode } from './paged.js';
import { facts } from './original.js';
import { fit } from './html_view.js';
import { tried } from './say.js';
import { session } from './session.js';

const TEMPLATES = [['answer', 'Answer to a contact'], ['notification', 'Notification to an agent'], ['notice', 'Notice of replyd to an agent']];

export function settingsPage() {
  const place = h('div', null, h('p', { class: 'soft' }, 'Loading …'));
  const node = pageNode('Settings', 'Shown as they are in the config file; change them there and reload replyd.', place);
  const start = async () => {
    try {
      show(place, sections(await get('/api/v1/settings')));
    } catch (error) {
      show(place, h('p', { class: 'bad-ink' }, error.message));
    }
  };
  return { node, start };
}

function sections(settings) {
  const account = settings.account && typeof settings.account === 'object' ? settings.account : settings;
  const inboxes = settings.inboxes ?? account.inboxes ?? account.inbox ?? [];
  const rest = Object.fromEntries(Object.entries(account).filter(([name]) => name !== 'inboxes' && name !== 'inbox'));
  return [
    h('h2', { class: 'section' }, 'Inboxes'), h('div', { class: 'columns' }, inboxes.map((inbox) => card(inbox.name, shownOf(inbox)))),
    h('h2', { class: 'section' }, 'Account'), h('div', { class: 'columns' }, accountCards(rest)),
    h('h2', { class: 'section' }, 'What mails look like'), preview(inboxes),
  ];
}

/** Only a chat on a site has a widget. */
const shownOf = (inbox) => (inbox.channel === 'widget' ? without(inbox, 'name') : without(without(inbox, 'name'), 'widget'));

const without = (of, name) => Object.fromEntries(Object.entries(of).filter(([key]) => key !== name));

/** What holds more than one value gets a card of its own. */
function accountCards(account) {
  const entries = Object.entries(without(account, 'name'));
  const plain = Object.fromEntries(entries.filter(([, value]) => !isGroup(value)));
  const groups = entries.filter(([, value]) => isGroup(value));
  return [card(account.name ?? session.account, plain), groups.map(([name, value]) => h('section', { class: 'card' }, h('h2', null, words(name)), group(name, value).slice(1)))];
}

/** Plain values as facts; what holds more becomes a part of its own. */
function card(title, of) {
  const plain = Object.entries(of).filter(([, value]) => !isGroup(value)).map(([name, value]) => [words(name), said(value)]);
  const groups = Object.entries(of).filter(([, value]) => isGroup(value));
  return h('section', { class: 'card' }, h('h2', { dir: 'auto' }, title), facts(plain), groups.flatMap(([name, value]) => group(name, value)));
}

function group(name, value) {
  const all = Array.isArray(value) ? value : [value];
  return [h('h3', null, words(name)), all.map((one) => facts(Object.entries(one).map(([key, of]) => [words(key), said(of)])))];
}

const isGroup = (value) => value !== null && typeof value === 'object' && (!Array.isArray(value) || value.some((one) => one && typeof one === 'object')) && Object.keys(value).length > 0;
const words = (name) => name.replaceAll('_', ' ').replace(/^./, (letter) => letter.toUpperCase()).replace(/\b(?:dkim|url|tls|arc)\b/gi, (short) => short.toUpperCase());

function said(value) {
  if (value === true) return 'yes';
  if (value === false) return 'no';
  if (value === null || value === '') return '–';
  if (Array.isArray(value) && !value.some((one) => typeof one === 'object')) return value.length ? value.join(', ') : '–';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function preview(inboxes) {
  const choice = (label, options) => h('select', { class: 'field', 'aria-label': label }, options.map(([value, name]) => h('option', { value }, name)));
  const inbox = choice('Inbox', inboxes.map(({ name }) => [name, name]));
  const template = choice('Mail', TEMPLATES);
  const frame = h('iframe', { title: 'Preview of the mail', sandbox: 'allow-same-origin', referrerpolicy: 'no-referrer' });
  const head = h('div', { class: 'card' });
  frame.addEventListener('load', () => fit(frame));
  const draw = async () => {
    const wish = { inbox: inbox.value, template: template.value };
    frame.src = withQuery('/api/v1/preview', wish);
    const of = await tried(() => get('/api/v1/preview', { ...wish, part: 'head' }));
    if (of) show(head, facts([['From', of.from], ['To', of.to], ['Subject', of.subject]]));
  };
  inbox.addEventListener('change', draw);
  template.addEventListener('change', draw);
  draw();
  return h('div', { class: 'preview' }, h('div', { class: 'bar' }, inbox, template), head, frame);
}
