// A mail as it came: what its header and its checks say, and every octet of it.

import { h, put, show } from './dom.js';
import { fetchBody } from './api.js';
import { dialog } from './float.js';
import { verdict } from './words.js';
import { exact } from './time.js';

const SHOWN = 200_000;

export function showOriginal(message) {
  const address = `/api/v1/messages/${encodeURIComponent(message.id)}/raw`;
  const raw = h('pre', { class: 'raw', tabindex: '0', 'aria-label': 'The mail' }, 'Loading …');
  dialog(message.email.subject || 'Original mail', 'original',
    mailFacts(message),
    h('p', null, h('a', { class: 'button small', href: address, download: 'mail.eml' }, 'Download as .eml')),
    raw);
  fetchBody(address, 'text').then((text) => show(raw, text.slice(0, SHOWN), text.length > SHOWN ? '\n… the rest is in the download' : null), (error) => show(raw, error.message));
}

function mailFacts({ email, created_at: at }) {
  const { auth } = email;
  const dkim = (auth?.dkim ?? []).map((one) => `${one.domain} (${one.selector}): ${one.result}${one.reason ? `, ${one.reason}` : ''}`);
  return facts([
    ['From', email.from], ['To', email.to], ['Cc', email.cc], ['Reply-To', email.reply_to], [email.ingress ? 'Received' : 'Written', exact(at)],
    ['Author', email.ingress ? verdict(auth).words : null], ['SPF', auth?.spf?.result ?? auth?.spf], ['DKIM', dkim], ['DMARC', auth?.dmarc?.result ?? auth?.dmarc], ['ARC', auth?.arc?.result ?? auth?.arc],
    ['Envelope', `${email.envelope_from || '<>'} → ${email.envelope_to}`], ['Message-ID', email.message_id], ['Came by', email.ingress],
    ['Kind', email.class === 'human' || !email.ingress ? null : `${email.class}: ${email.class_reason}`], ['Defects', email.defects],
  ]);
}

/** Pairs of a name and a value; what is absent is left out. */
export function facts(pairs) {
  const list = h('dl', { class: 'facts' });
  for (const [name, value] of pairs) {
    const words = Array.isArray(value) ? value.join(', ') : value;
    if (words === null || words === undefined || words === '') continue;
    put(list, h('dt', null, name), h('dd', { dir: 'auto' }, typeof words === 'object' && !(words instanceof Node) ? JSON.stringify(words) : words instanceof Node ? words : String(words)));
  }
  return list;
}
