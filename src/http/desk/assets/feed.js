// Live news from the server. A browser allows few connections to one host, so of several tabs of the desk one listens
// and tells the others. After a lost connection the feed goes on where it was; `resumed` says that it had been away.

import { get } from './api.js';

const KINDS = ['message.created', 'delivery.changed', 'conversation.changed', 'bounce', 'typing', 'viewing', 'presence', 'taken_back', 'reset'];
const AGAIN = 5000;

const listeners = new Set();
const tabs = new BroadcastChannel('replyd.desk.feed');
let lastId = '';
let lostAt = 0;

/** The listener gets `(kind, data)`; the answer takes it off again. */
export function listen(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function open() {
  tabs.addEventListener('message', ({ data: { kind, data, id } }) => hear(kind, data, id));
  tabs.postMessage({ kind: 'asks', data: {} });
  // Without locks (plain http on a name that is not localhost) each tab listens for itself.
  if (!navigator.locks) return connect(() => {});
  return navigator.locks.request('replyd.desk.feed', () => new Promise(() => connect((message) => tabs.postMessage(message))));
}

/** Until the tab is closed; the lock is free again then, and another tab goes on. */
function connect(tell) {
  const source = new EventSource(lastId ? `/api/v1/events?after=${encodeURIComponent(lastId)}` : '/api/v1/events');
  const pass = (kind, data, id) => {
    hear(kind, data, id);
    tell({ kind, data, id });
  };
  source.addEventListener('open', () => pass('connected', {}));
  source.addEventListener('error', () => {
    pass('lost', {});
    if (source.readyState !== EventSource.CLOSED) return;
    // A refused connection is not tried again by the browser; without a session this call leads to the sign-in page.
    get('/api/v1/me').catch(() => {});
    setTimeout(() => connect(tell), AGAIN);
  });
  tabs.addEventListener('message', ({ data: { kind } }) => {
    if (kind === 'asks' && source.readyState === EventSource.OPEN) tell({ kind: 'connected', data: {} });
  });
  for (const kind of KINDS) source.addEventListener(kind, (event) => pass(kind, read(event.data), event.lastEventId));
}

function read(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

function hear(kind, data, id) {
  if (id) lastId = id;
  if (kind === 'lost' && !lostAt) lostAt = Date.now();
  for (const listener of [...listeners]) listener(kind, data);
  if (kind !== 'connected' || !lostAt) return;
  lostAt = 0;
  for (const listener of [...listeners]) listener('resumed', {});
}
