// What is known beside the messages: the contact, their mail, who else takes part, and their other conversations.

import { h, show } from './dom.js';
import { icon } from './icons.js';
import { get } from './api.js';
import { avatar } from './avatar.js';
import { facts } from './original.js';
import { moment, since } from './time.js';
import { personName, presence, TYPED } from './words.js';
import { toast } from './say.js';
import { here, to } from './router.js';
import { suppressed } from './suppressed.js';

export function details(conversation, changed) {
  return [contact(conversation), continuity(conversation, changed), participants(conversation), about(conversation), others(conversation)];
}

function contact({ contact: person, presence: there, page }) {
  const email = person.claimed_email ?? person.email;
  return h('section', { 'aria-label': 'Contact' },
    h('div', { class: 'person' }, avatar(person), h('div', null, h('strong', { dir: 'auto' }, personName(person)), h('div', { class: 'soft' }, presence(there)))),
    facts([
      ['Email', email ? h('span', null, `${email} `, emailState(person)) : 'none'],
      ['Proven', person.claimed_email && person.email ? person.email : null],
      ['Identifier', person.identifier], ['Language', person.language], ['Time zone', person.time_zone],
      ['Page', pageLink(page)], ...Object.entries(person.fields ?? {}),
    ]));
}

function emailState(person) {
  if (person.bounced) return h('span', { class: 'badge bad', title: person.bounced.reason }, 'bounced');
  const state = person.email_state ?? (person.claimed_email ? 'claimed' : null);
  if (state === 'claimed') return h('span', { class: 'badge warn', title: TYPED }, 'typed, not proven');
  return state === 'proven' ? h('span', { class: 'badge good' }, 'proven') : null;
}

function pageLink(page) {
  if (!/^https?:\/\//.test(page ?? '')) return page || null;
  return h('a', { href: page, target: '_blank', rel: 'noopener noreferrer' }, page.replace(/^https?:\/\//, ''));
}

function continuity(conversation, changed) {
  const { continuity: of, contact: { bounced } } = conversation;
  if (!of) return null;
  const due = of.due_at ? `By email at ${moment(of.due_at)}: ` : '';
  const words = h('p', { class: bounced ? 'bad-ink' : null }, sentence(`${due}${of.reason}`), bounced ? ` (${since(bounced.since)})` : null);
  return h('section', null, h('h2', null, 'Mail to the contact'), words, suppressed(conversation, changed));
}

const sentence = (words) => words.replace(/^./u, (letter) => letter.toUpperCase());

function participants({ participants: people }) {
  if (!people?.length) return null;
  return h('section', null, h('h2', null, 'Participants'), h('ul', { class: 'people' }, people.map((person) =>
    h('li', null, avatar(person, { size: 'small' }), h('span', null, h('span', { dir: 'auto' }, personName(person)), person.name ? h('span', { class: 'soft' }, ` ${person.email}`) : null)))));
}

function about(conversation) {
  return h('section', null, h('h2', null, 'Conversation'), facts([
    ['Inbox', conversation.inbox], ['Channel', conversation.channel], ['Begun', moment(conversation.created_at)],
    ['Reply to', conversation.reply_address ? copyable(conversation.reply_address) : null], ['Unseen', conversation.unseen_by_contact ? `${conversation.unseen_by_contact} by the contact` : null],
  ]));
}

function copyable(text) {
  const copy = () => navigator.clipboard?.writeText(text).then(() => toast('Copied.'), () => {});
  return h('span', { class: 'copy' }, h('code', { title: text }, text), h('button', { class: 'icon-button', type: 'button', 'aria-label': 'Copy the reply address', on: { click: copy } }, icon('copy', 'small')));
}

const KEPT = 15_000;

let known = { key: '', items: [], at: 0 };

/** Details are drawn often: what was read a moment ago is shown at once. */
function others({ id, contact: person }) {
  const key = person.email ?? person.identifier;
  if (!key) return null;
  const place = h('section', { hidden: true });
  const draw = (items) => {
    const rest = items.filter((item) => item.id !== id);
    place.hidden = !rest.length;
    show(place, h('h2', null, 'Other conversations'), h('ul', { class: 'others' }, rest.slice(0, 6).map((item) =>
      h('li', null, h('a', { href: to('conversations', item.id, here().params) }, h('span', { dir: 'auto' }, item.subject || 'Chat'), h('span', { class: 'soft' }, ` · ${item.status} · ${moment(item.last_message_at)}`))))));
  };
  if (known.key === key) draw(known.items);
  if (known.key !== key || Date.now() - known.at > KEPT) {
    known = { key, items: known.key === key ? known.items : [], at: Date.now() };
    get('/api/v1/conversations', { contact: key, limit: 7 }).then(({ items }) => {
      if (known.key !== key || JSON.stringify(items) === JSON.stringify(known.items)) return;
      known.items = items;
      draw(items);
    }, () => {});
  }
  return place;
}
