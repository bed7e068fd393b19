// "Where is my mail?": every mail that was offered, by address, Message-ID or time, and what became of it.

import { h, show } from './dom.js';
import { fetchBody, get, post } from './api.js';
import { entryNode, pagedList } from './paged.js';
import { facts } from './original.js';
import { toast, tried } from './say.js';
import { to } from './router.js';
import { exact, moment } from './time.js';
import { becameOf, octets, OUTCOMES, verdict } from './words.js';

const PATH = '/api/v1/inbound';
const WAYS = { smtp: 'by SMTP', lmtp: 'from the mail server in front', pipe: 'from the mail server in front', http: 'from the mail provider' };
const OUTCOME_CHOICES = [['', 'Any outcome'], ...Object.entries(OUTCOMES).map(([outcome, { words }]) => [outcome, words])];

export function mailLog() {
  return pagedList({
    page: 'mail', title: 'Where is my mail?', path: PATH, empty: 'No mail fits. What was refused before it was known whose it is stands in your operator’s log: ask there.',
    words: 'Every mail that was offered to this account, also what was refused, and what became of it.',
    controls: [
      { name: 'query', label: 'Address or Message-ID', placeholder: 'Address or whole Message-ID' },
      { name: 'outcome', label: 'Outcome', options: OUTCOME_CHOICES },
      { name: 'from', label: 'From', type: 'datetime-local' },
      { name: 'until', label: 'until', type: 'datetime-local' },
    ],
    query: (params) => ({ query: params.get('query'), outcome: params.get('outcome'), from: instant(params.get('from')), until: instant(params.get('until')) }),
    entry,
  });
}

/** The person's own clock becomes an instant. */
function instant(local) {
  const at = local ? new Date(local) : null;
  return at && !Number.isNaN(at.getTime()) ? at.toISOString() : null;
}

function entry(item, again) {
  const outcome = OUTCOMES[item.outcome] ?? { tone: '', words: item.outcome };
  return entryNode({
    when: h('time', { datetime: item.received_at, title: exact(item.received_at) }, moment(item.received_at)),
    badge: h('span', { class: `badge ${outcome.tone}` }, outcome.words),
    first: [h('b', null, item.envelope_from || '<>'), ' → ', h('b', null, item.envelope_to || '?')],
    second: becameOf(item) || item.reply,
    end: h('span', { class: 'soft' }, item.size ? octets(item.size) : ''),
  }, (place) => more(item, place, again));
}

function more(item, place, again) {
  get(`${PATH}/${encodeURIComponent(item.id)}`).then((full) => show(place, known(full, place, again)), () => {});
  return known(item, place, again);
}

function known(item, place, again) {
  const bridge = item.bridge ? `${item.bridge.state}, ${item.bridge.attempts} attempts${item.bridge.last_reply ? `: ${item.bridge.last_reply}` : ''}` : null;
  return [facts([
    ['From', item.from], ['Subject', item.subject], ['Author', item.auth ? verdict(item.auth).words : null],
    ['What became of it', becameOf(item)], ['Kept until', item.kept_until ? exact(item.kept_until) : null], ['We answered', item.reply], ['Received', exact(item.received_at)],
    ['Came from', [item.helo, item.remote_ip].filter(Boolean).join(' · ')], ['On the way', [WAYS[item.ingress] ?? item.ingress, item.tls ? `encrypted (${item.tls})` : null].filter(Boolean).join(', ')],
    ['Bounce', item.bounce ? bounceWords(item.bounce) : null], ['Passed on', bridge], ['Message-ID', item.message_id], ['For the operator', [`session ${item.session}`, item.sha256 ? `SHA-256 ${item.sha256}` : null].filter(Boolean).join(' · ')],
  ]), acts(item, place, again)];
}

function bounceWords({ kind, recipients }) {
  return `${kind}: ${(recipients ?? []).map((one) => [one.recipient, one.status, one.diagnostic].filter(Boolean).join(' ')).join('; ')}`;
}

function acts(item, place, again) {
  const address = `${PATH}/${encodeURIComponent(item.id)}`;
  const showRaw = async ({ currentTarget: button }) => {
    const shown = place.querySelector('pre');
    if (shown) shown.remove();
    button.disabled = true;
    const text = shown ? undefined : await tried(() => fetchBody(`${address}/raw`, 'text'));
    button.disabled = false;
    if (text !== undefined) place.append(h('pre', { tabindex: '0', 'aria-label': 'The mail as it came' }, text.slice(0, 200_000)));
    button.textContent = place.querySelector('pre') ? 'Hide it' : 'Show as it came';
  };
  const again202 = (path, words) => async () => {
    if (await tried(() => post(`${address}/${path}`))) {
      toast(words);
      again();
    }
  };
  const button = (words, click) => h('button', { class: 'button small', type: 'button', on: { click } }, words);
  return h('div', { class: 'acts' },
    item.conversation_id ? h('a', { class: 'button small', href: to('conversations', item.conversation_id) }, 'Open the conversation') : null,
    item.raw_id ? button('Show as it came', showRaw) : null,
    item.raw_id ? h('a', { class: 'button small', href: `${address}/raw`, download: `${item.id}.eml` }, 'Download') : null,
    item.outcome === 'failed' || item.kept_until ? button('File it again', again202('replay', 'The mail is being filed again.')) : null,
    item.bridge && item.bridge.state !== 'delivered' ? button('Send over the bridge again', again202('bridge/retry', 'It goes over the bridge now.')) : null);
}
