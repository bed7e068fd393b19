// One message of the stream: who, when, how it came, what was written, what was folded away, how it fared.

import { h } from './dom.js';
import { icon } from './icons.js';
import { avatar } from './avatar.js';
import { richText } from './rich_text.js';
import { exact, hour } from './time.js';
import { CLASSES, personName, verdict } from './words.js';
import { files } from './files.js';
import { deliveryFoot } from './delivery.js';
import { heldFoot, isHeld } from './undo.js';
import { htmlView } from './html_view.js';
import { showOriginal } from './original.js';

const SIDES = { incoming: 'incoming', outgoing: 'outgoing', note: 'note outgoing', activity: 'activity' };

/** `context`: `{ conversation, restore(text), changed() }` */
export function messageNode(message, context) {
  if (message.direction === 'activity') return activity(message);
  const byMail = Boolean(message.email) && message.direction === 'incoming';
  const sides = `${SIDES[message.direction] ?? 'incoming'} ${byMail || message.via === 'email' ? 'by-mail' : ''} ${isHeld(message) ? 'held' : ''}`;
  const node = h('li', { class: `message ${sides}`, 'data-id': message.id });
  node.append(
    avatar(message.author.kind === 'contact' ? context.conversation.contact : message.author),
    h('div', { class: 'column' }, meta(message, byMail, context), bubble(message, node), foot(message, byMail, context)));
  return node;
}

function activity(message) {
  const what = message.text + (message.author.name && !message.text.includes(message.author.name) ? ` · ${message.author.name}` : '');
  return h('li', { class: 'message activity', 'data-id': message.id }, richText(what), ' ', h('time', { title: exact(message.created_at) }, hour(message.created_at)));
}

/** A contact whose mail names nobody is still who they are; its address stands beside. */
function nameOf({ author }, { conversation: { contact } }) {
  if (author.kind === 'system') return 'replyd';
  return personName(author.kind === 'contact' && !author.name ? contact : author);
}

function meta(message, byMail, context) {
  const { author } = message;
  const name = nameOf(message, context);
  const automatic = message.email && CLASSES[message.email.class];
  return h('div', { class: 'meta' },
    h('strong', { dir: 'auto' }, name),
    byMail && author.email && author.email !== name ? h('span', { class: 'address' }, author.email) : null,
    author.kind === 'participant' ? h('span', { class: 'badge' }, 'Participant') : null,
    message.direction === 'note' ? h('span', { class: 'badge warn' }, icon('note', 'small'), 'Note, agents only') : null,
    automatic ? h('span', { class: 'badge warn' }, automatic) : null,
    byMail || message.via === 'email' ? h('span', { class: 'mark', title: mailTitle(message) }, icon('mail', 'small'), 'by email') : null,
    h('time', { datetime: message.created_at, title: exact(message.created_at) }, hour(message.created_at)));
}

const mailTitle = (message) => (message.email?.subject ? `Subject: ${message.email.subject}` : 'It came by email');

function bubble(message, node) {
  const picture = htmlView(message, node);
  return h('div', { class: 'bubble' },
    message.text ? richText(message.text) : emptyText(message),
    files(message.attachments),
    fold('Signature', message.signature),
    fold('Quoted text', message.quoted),
    picture?.place,
    message.email?.ingress ? h('div', { class: 'tools' }, picture?.button, originalButton(message)) : null);
}

function emptyText(message) {
  return message.attachments?.length ? null : h('p', { class: 'soft' }, 'Without text');
}

function fold(words, text) {
  return text?.trim() ? h('details', { class: 'fold', 'data-fold': words }, h('summary', null, words), richText(text)) : null;
}

function originalButton(message) {
  return h('button', { class: 'link', type: 'button', on: { click: () => showOriginal(message) } }, 'Original mail');
}

function foot(message, byMail, context) {
  if (isHeld(message)) return heldFoot(message, context);
  if (message.direction === 'outgoing') return deliveryFoot(message, context);
  if (!byMail || message.author.kind === 'system' || !message.email.ingress) return null;
  const { tone, words } = verdict(message.email.auth);
  return h('div', { class: 'foot' }, h('span', { class: `state ${tone}-ink` }, icon(tone === 'good' ? 'shield' : 'alert', 'small'), words));
}
