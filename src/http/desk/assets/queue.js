// Outgoing mail: where each stands, what its host said, and an operator's hand on it.

import { calm, h, show } from './dom.js';
import { get, post } from './api.js';
import { entryNode, pagedList } from './paged.js';
import { facts } from './original.js';
import { listen } from './feed.js';
import { toast, tried } from './say.js';
import { to } from './router.js';
import { exact, moment } from './time.js';
import { stateName, stateTone } from './words.js';

const PATH = '/api/v1/queue';
const STATES = ['waiting', 'queued', 'deferred', 'delivered', 'failed', 'cancelled', 'seen'];
const OPEN = new Set(['waiting', 'queued', 'deferred']);
const KINDS = { answer: 'Answer', notification: 'Notification to an agent', notice: 'Notice to an agent' };

export function queuePage() {
  const list = pagedList({
    page: 'queue', title: 'Queue', path: PATH, words: 'Mail on its way out, newest first.', empty: 'No mail fits.',
    controls: [
      { name: 'recipient', label: 'Recipient', placeholder: 'Part of the recipient’s address' },
      { name: 'state', label: 'State', options: [['', 'Any state'], ...STATES.map((state) => [state, stateName(state)])] },
    ],
    query: (params) => ({ recipient: params.get('recipient'), state: params.get('state') }),
    entry,
  });
  const refresh = calm(800, list.refresh);
  const quiet = listen((kind) => ['delivery.changed', 'message.created', 'resumed'].includes(kind) && refresh());
  return { ...list, close: quiet };
}

function entry(item, again) {
  const node = entryNode({
    when: h('time', { datetime: item.created_at, title: exact(item.created_at) }, moment(item.created_at)),
    badge: h('span', { class: `badge ${item.held ? 'warn' : stateTone(item.state)}` }, item.held ? 'Held' : stateName(item.state)),
    first: [h('b', null, item.recipient), item.recipient_kind === 'agent' ? h('span', { class: 'soft' }, ` · ${KINDS[item.kind] ?? item.kind}`) : null],
    second: second(item),
    end: h('span', { class: 'soft' }, item.attempts ? `${item.attempts} ${item.attempts === 1 ? 'attempt' : 'attempts'}` : ''),
  }, (place) => {
    get(`${PATH}/${encodeURIComponent(item.id)}`).then((full) => show(place, more(full, again)), () => {});
    return more(item, again);
  });
  return node;
}

function second(item) {
  if (item.held) return item.reason ?? 'Held until it is released';
  if (OPEN.has(item.state) && item.due_at) return `${item.state === 'waiting' ? 'Due' : 'Next attempt'} ${moment(item.due_at)}${item.reason ? ` · ${item.reason}` : ''}${item.remote_reply ? ` · ${item.remote_reply}` : ''}`;
  return [item.reason, item.remote_reply].filter(Boolean).join(' · ');
}

function more(item, again) {
  const act = (words, verb, done, danger) => h('button', {
    class: `button small ${danger ?? ''}`, type: 'button', on: {
      click: async () => {
        if (!(await tried(() => post(`${PATH}/${encodeURIComponent(item.id)}/${verb}`)))) return;
        toast(done);
        again();
      },
    },
  }, words);
  const isOpen = OPEN.has(item.state);
  const why = failing(item, again);
  const acts = h('div', { class: 'acts' },
    item.state !== 'delivered' && item.state !== 'seen' ? act(item.state === 'failed' || item.state === 'cancelled' ? 'Send again' : 'Try now', 'retry', 'It goes out now.') : null,
    isOpen && !item.held ? act('Hold', 'hold', 'Held until it is released.') : null,
    item.held ? act('Release', 'release', 'Released.') : null,
    isOpen ? act('Cancel', 'cancel', 'Cancelled.', 'danger') : null,
    isOpen ? h('button', { class: 'button small danger', type: 'button', 'aria-expanded': 'false', on: { click: ({ currentTarget: button }) => unfold(button, why) } }, 'Fail …') : null,
    h('a', { class: 'button small', href: to('conversations', item.conversation_id) }, 'Open the conversation'));
  return [facts([
    ['State', item.held ? 'held' : stateName(item.state)], ['Why', item.reason], ['Host', item.remote], ['It said', item.remote_reply], ['TLS', item.tls],
    ['Last attempt', exact(item.last_attempt_at)], ['Next attempt', isOpen ? exact(item.due_at) : null], ['Given up', isOpen ? exact(item.give_up_at) : null],
    ['Message-ID', item.message_id], ['Messages', item.messages?.length], ['Uncertain', item.uncertain ? 'the connection broke at the very end: it may have arrived' : null],
  ]), acts, isOpen ? why : null, item.transcript ? h('pre', { tabindex: '0', 'aria-label': 'What was said in the last attempt' }, item.transcript) : null];
}

function unfold(button, form) {
  form.hidden = !form.hidden;
  button.setAttribute('aria-expanded', String(!form.hidden));
  if (!form.hidden) form.querySelector('input').focus();
}

/** Whoever wrote the mail is told that it failed, and why. */
function failing(item, again) {
  const field = h('input', { class: 'field grow', type: 'text', required: true, maxlength: '900', autocomplete: 'off', 'aria-label': 'Why it fails', placeholder: 'Why, for whoever wrote it' });
  const submit = async (event) => {
    event.preventDefault();
    if (!(await tried(() => post(`${PATH}/${encodeURIComponent(item.id)}/fail`, { reason: field.value })))) return;
    toast('Failed for good.');
    again();
  };
  return h('form', { class: 'bar', hidden: true, on: { submit } }, field, h('button', { class: 'button small danger', type: 'submit' }, 'Fail it'));
}
