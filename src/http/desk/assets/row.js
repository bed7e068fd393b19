// One conversation as a row of the list.

import { h } from './dom.js';
import { icon } from './icons.js';
import { avatar } from './avatar.js';
import { brief, exact, moment } from './time.js';
import { isTyped, personName, presence, TYPED } from './words.js';
import { agentNamed, isMe, session } from './session.js';
import { hasDraft } from './drafts.js';
import { to } from './router.js';

export function row(conversation, params, openId) {
  const { id, contact, subject } = conversation;
  const unread = isUnread(conversation);
  const there = presence(conversation.presence);
  return h('li', { 'data-id': id },
    h('a', { class: `row ${unread ? 'unread' : ''}`, href: to('conversations', id, params), 'aria-current': id === openId ? 'true' : null },
      avatar(contact, { presence: conversation.presence ?? 'absent' }),
      h('span', { class: 'row-main' },
        h('span', { class: 'row-top' },
          h('span', { class: 'row-name', dir: 'auto' }, personName(contact), unread ? h('span', { class: 'sr-only' }, ' (unread)') : null, there ? h('span', { class: 'sr-only' }, `, ${there}`) : null),
          isTyped(contact) ? h('span', { class: 'badge warn', title: TYPED }, 'not proven') : null,
          h('time', { class: 'row-time', datetime: conversation.last_message_at, title: exact(conversation.last_message_at) }, brief(conversation.last_message_at ?? conversation.created_at))),
        subject ? h('span', { class: 'row-subject', dir: 'auto' }, subject) : null,
        h('span', { class: 'row-sub' }, preview(conversation), marks(conversation)))));
}

export const isUnread = (conversation) => Boolean(conversation.unread);

function preview(conversation) {
  if (hasDraft(conversation.id)) return h('span', { class: 'row-preview' }, h('em', null, 'Draft'));
  const last = conversation.last_message;
  if (!last) return h('span', { class: 'row-preview' }, 'No messages yet');
  const mail = last.via === 'email' ? icon('mail', 'small') : null;
  return h('span', { class: 'row-preview', dir: 'auto' }, mail, mail ? h('span', { class: 'sr-only' }, 'by email: ') : null, `${speaker(conversation, last)}${last.text ?? ''}`);
}

/** The contact's own words need no name: it stands above them. */
function speaker(conversation, last) {
  const { author } = last;
  const name = typeof author === 'string' ? author : (author?.name ?? author?.email ?? '');
  if (author?.kind === 'contact' || !name || name === conversation.contact.name) return '';
  return isMe(author) || name === session.agent.name ? 'You: ' : `${name.split(' ')[0]}: `;
}

function marks(conversation) {
  const { assignee, status } = conversation;
  const marks = [];
  if (conversation.undelivered) marks.push(h('span', { class: `badge ${conversation.undelivered === 'failed' ? 'bad' : 'warn'}`, title: 'The last answer by email' }, conversation.undelivered === 'failed' ? 'Not delivered' : 'Not delivered yet'));
  else if (conversation.contact.bounced) marks.push(h('span', { class: 'badge bad', title: conversation.contact.bounced.reason }, 'Bounced'));
  if (status === 'snoozed') marks.push(h('span', { class: 'badge', title: 'Snoozed' }, icon('clock', 'small'), moment(conversation.snooze_until)));
  if (status === 'resolved') marks.push(h('span', { class: 'badge good' }, 'Resolved'));
  if (session.inboxes.length > 1) marks.push(h('span', { class: 'badge' }, conversation.inbox));
  if (assignee) marks.push(h('span', { title: `Assigned to ${agentNamed(assignee)}` }, avatar({ email: assignee, name: agentNamed(assignee) }, { size: 'small' })));
  return marks;
}
