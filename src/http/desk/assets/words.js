// What states and codes mean, in words. Here and nowhere else.

import { moment, since } from './time.js';

export function personName(person) {
  return person?.name || person?.email || person?.claimed_email || person?.identifier || 'Visitor';
}

/** Nothing is known of them but an address that they typed. */
export const isTyped = (person) => Boolean(person?.claimed_email) && !person.name && !person.email;
export const TYPED = 'Typed by the visitor; not proven to be theirs';

/** Words and colour of the judgement over who wrote a mail. */
export function verdict(auth) {
  const basis = auth?.basis || basisOf(auth);
  switch (auth?.verdict) {
    case 'authentic': return { tone: 'good', words: basis || 'Author verified' };
    case 'forged': return { tone: 'bad', words: `Not from this author${basis ? `: ${basis}` : ''}` };
    case 'undetermined': return { tone: 'warn', words: `Author could not be checked${basis ? `: ${basis}` : ''}` };
    default: return { tone: 'warn', words: `Author not proven${basis ? `: ${basis}` : ''}` };
  }
}

function basisOf(auth) {
  const signed = auth?.dkim?.find?.((signature) => signature.result === 'pass');
  if (signed) return `DKIM ${signed.domain}${auth.verdict === 'authentic' ? ', aligned with From' : ', not aligned with From'}`;
  return '';
}

export const CLASSES = { auto_reply: 'Automatic reply', bounce: 'Bounce', list: 'Mailing list' };
export const ROLES = { participant: 'Participant', system: 'replyd', agent: 'Agent', contact: 'Contact' };

/** Without the commands that only an operator can run. */
export function forAgents(reason) {
  return reason.replace(/^not sent: /, '').replace(/; if that has changed: replyd suppression clear \S+/, '; if that has changed, the details have a way back');
}

const FILED = {
  'reply token of the recipient': 'It came to the reply address of its conversation',
  'reply token in the header': 'It names the reply address of its conversation',
  'answer to a mail of the conversation': 'It answers a mail of its conversation',
  'bounce of a mail of the conversation': 'It says that a mail of its conversation came back',
  'reply token of an agent': 'An agent’s answer by email',
};

/** Why a mail stands where it does; what is more than a known reason follows it. */
export function becameOf({ reason }) {
  const known = Object.keys(FILED).find((begin) => reason?.startsWith(begin));
  return known ? FILED[known] + reason.slice(known.length) : reason;
}

const STATES = {
  waiting: { tone: '', icon: 'clock', words: 'In the chat; by email if it stays unread' },
  queued: { tone: '', icon: 'mail', words: 'Email is on its way' },
  deferred: { tone: 'warn', icon: 'clock', words: 'Email not delivered yet' },
  delivered: { tone: 'good', icon: 'mail', words: 'Delivered by email' },
  failed: { tone: 'bad', icon: 'alert', words: 'Email not delivered' },
  cancelled: { tone: '', icon: 'close', words: 'Not sent by email' },
  seen: { tone: 'good', icon: 'eye', words: 'Seen in the chat' },
};

/** How an agent's message reaches its reader. */
export function delivery(message) {
  const of = message.delivery;
  if (!of) return null;
  const known = STATES[of.state] ?? { tone: '', icon: 'clock', words: of.state };
  return { ...known, words: known.words + deliveryMore(of, message) };
}

function deliveryMore(of, message) {
  if (of.state === 'waiting' && of.reason) return `: ${of.reason}`;
  if (of.state === 'deferred' && of.due_at) return `; next attempt at ${moment(of.due_at)}`;
  if (of.state === 'seen' && message.seen_at) return ` · ${moment(message.seen_at)}`;
  if (of.state === 'delivered' && of.last_attempt_at) return ` · ${moment(of.last_attempt_at)}`;
  if (of.reason && of.state !== 'delivered') return `: ${forAgents(of.reason)}`;
  return '';
}

export const stateName = (state) => ({ waiting: 'Waiting', queued: 'Queued', deferred: 'Deferred', delivered: 'Delivered', failed: 'Failed', cancelled: 'Cancelled', seen: 'Seen' })[state] ?? state;
export const stateTone = (state) => STATES[state]?.tone ?? '';

export const OUTCOMES = {
  accepted: { tone: 'accent', words: 'Accepted' }, filed: { tone: 'good', words: 'Filed' }, rejected: { tone: 'bad', words: 'Refused' },
  deferred: { tone: 'warn', words: 'Put off' }, duplicate: { tone: '', words: 'Duplicate' }, failed: { tone: 'bad', words: 'Failed' },
};

export const presenceState = (presence) => (typeof presence === 'string' ? presence : presence?.state) ?? 'absent';

/** What is known of the visitor's eyes. */
export function presence(of) {
  switch (presenceState(of)) {
    case 'reading': return 'reads the chat now';
    case 'visible': case 'present': return 'is in the chat';
    case 'connected': case 'away': return 'has the chat open, looks elsewhere';
    default: return of?.since ? `left the chat ${since(of.since)}` : '';
  }
}

export function octets(count) {
  if (count < 1024) return `${count} B`;
  return count < 1_048_576 ? `${Math.round(count / 1024)} KB` : `${(count / 1_048_576).toFixed(1)} MB`;
}
