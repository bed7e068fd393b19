// How an agent's message fared, what the other host said, and a hand on it.

import { h } from './dom.js';
import { icon } from './icons.js';
import { get, post } from './api.js';
import { showOriginal } from './original.js';
import { toast, tried } from './say.js';
import { delivery } from './words.js';
import { exact, span } from './time.js';

const RETRIED = new Set(['failed', 'cancelled', 'deferred']);
const OPEN = new Set(['waiting', 'queued', 'deferred']);

export function deliveryFoot(message, context) {
  const way = delivery(message);
  if (!way) return null;
  const { state, held, remote, remote_reply: reply, tls, last_attempt_at: at, uncertain } = message.delivery;
  const said = [remote, reply].filter(Boolean).join(' · ');
  const trouble = state === 'failed' || state === 'deferred';
  return h('div', { class: 'foot' },
    h('span', { class: `state ${way.tone ? `${way.tone}-ink` : ''}`, title: [said, tls && `TLS: ${tls}`, exact(at)].filter(Boolean).join('\n') }, icon(way.icon, 'small'), message.delivery.due_at && state === 'waiting' ? countdown(message, context) : way.words),
    uncertain ? h('span', { class: 'warn-ink' }, 'It may have arrived: the connection broke at the very end') : null,
    RETRIED.has(state) && hasMail(message) ? act(state === 'deferred' ? 'Try now' : 'Send again', 'retry', message, context) : null,
    state === 'waiting' && message.delivery.due_at ? act('Email now', 'retry', message, context) : null,
    OPEN.has(state) && held ? act('Send now', 'retry', message, context) : null,
    OPEN.has(state) && (message.delivery.due_at || held) ? act('Do not email', 'cancel', message, context) : null,
    message.email ? h('button', { class: 'link', type: 'button', on: { click: () => showOriginal(message) } }, 'Mail as sent') : null,
    trouble && said ? h('span', { class: 'remote', dir: 'ltr' }, said) : null);
}

/** In the words of the forecast, and to the second: a time of day would say nothing of a minute. */
function countdown({ delivery: { due_at: due } }, context) {
  const { claimed_email: claimed, email } = context.conversation.contact;
  const node = h('span');
  const tick = () => {
    const left = new Date(due) - Date.now();
    node.textContent = left > 0 ? `In the chat; by email to ${claimed ?? email} in ${span(left)} unless read` : 'In the chat; the email goes out now';
    if (left > 0) setTimeout(() => node.isConnected && tick(), left > 3_600_000 ? 60_000 : 1000);
    else setTimeout(() => node.isConnected && context.changed(), 1500);
  };
  tick();
  return node;
}

/** A mail was planned, and is not only the system's word that none is possible. */
const hasMail = ({ delivery: { state, attempts, remote_reply: reply, reason } }) => state !== 'cancelled' || attempts > 0 || Boolean(reply || reason);

function act(words, verb, message, context) {
  const button = h('button', { class: 'link', type: 'button' }, words);
  button.addEventListener('click', async () => {
    button.disabled = true;
    const done = await tried(() => onQueue(message, verb));
    button.disabled = false;
    if (done === undefined) return;
    toast(verb === 'retry' ? 'The email goes out now.' : 'No email will be sent.');
    context.changed();
  });
  return button;
}

/** The queue's entries that carry this message to people outside. */
async function onQueue(message, verb) {
  const { items } = await get('/api/v1/queue', { conversation: message.conversation_id, limit: 100 });
  const states = verb === 'retry' ? new Set([...RETRIED, 'waiting', ...(message.delivery.held ? ['queued'] : [])]) : OPEN;
  const entries = items.filter((entry) => entry.messages.includes(message.id) && entry.recipient_kind !== 'agent' && states.has(entry.state));
  if (!entries.length) throw new Error('There is no email of this message that could be changed any more.');
  await Promise.all(entries.map((entry) => post(`/api/v1/queue/${encodeURIComponent(entry.id)}/${verb}`)));
  return entries.length;
}
