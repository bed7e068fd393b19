// Addresses of a conversation that get no mail: why, until when, and the way back.

import { h } from './dom.js';
import { remove, withQuery } from './api.js';
import { dialog } from './float.js';
import { toast, tried } from './say.js';
import { exact, moment } from './time.js';

const WHY = {
  bad_address: 'The address does not work', mailbox_full: 'The mailbox was full again and again',
  complaint: 'They reported a mail of ours as unwanted', unsubscribed: 'They asked for no more mail',
};
const WISHES = new Set(['complaint', 'unsubscribed']);

export function suppressed(conversation, changed) {
  return (conversation.suppressions ?? []).map((one) => h('div', { class: 'suppressed' },
    h('p', null, h('b', { dir: 'auto' }, one.email), ' gets no mail. ', WHY[one.reason] ?? one.reason, one.detail ? h('span', { dir: 'auto' }, `: ${one.detail}`) : null, '.'),
    h('p', { class: 'soft' }, 'Since ', h('time', { datetime: one.since, title: exact(one.since) }, moment(one.since)), one.expires_at ? [', until ', h('time', { datetime: one.expires_at, title: exact(one.expires_at) }, moment(one.expires_at))] : ', until somebody changes it'),
    h('button', { class: 'button small', type: 'button', on: { click: () => (WISHES.has(one.reason) ? ask(conversation, one, changed) : lift(conversation, one, changed)) } }, 'Send mail again')));
}

/** What a person wished for is not undone by one click. */
function ask(conversation, one, changed) {
  const yes = h('button', { class: 'button danger', type: 'button' }, 'They want mail again');
  const node = dialog('Send mail again?', 'small', h('p', null, `${WHY[one.reason]}. Send mail to ${one.email} only if they have said otherwise since.`), h('div', { class: 'acts' }, yes));
  yes.addEventListener('click', () => {
    node.close();
    lift(conversation, one, changed);
  });
}

async function lift(conversation, { email }, changed) {
  const path = withQuery(`/api/v1/conversations/${encodeURIComponent(conversation.id)}/suppressions`, { email });
  if ((await tried(() => remove(path))) === undefined) return;
  toast(`${email} gets mail again.`);
  changed();
}
