// Live news from the server. After a lost connection the browser resumes by itself; if that took long, `resumed` says
// that everything shown should be read anew.

const KINDS = ['message.created', 'delivery.changed', 'conversation.changed', 'bounce', 'typing', 'viewing', 'presence', 'reset'];
const listeners = new Set();
let lostAt = 0;
let source = null;
let lastId = '';

/** The listener gets `(kind, data)`; the answer takes it off again. */
export function listen(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function open() {
  source = new EventSource(lastId ? `/api/v1/events?after=${encodeURIComponent(lastId)}` : '/api/v1/events');
  source.addEventListener('open', connected);
  source.addEventListener('error', lost);
  for (const kind of KINDS) source.addEventListener(kind, (event) => heard(kind, event));
}

function heard(kind, event) {
  if (event.lastEventId) lastId = event.lastEventId;
  let data;
  try {
    data = JSON.parse(event.data);
  } catch {
    data = {};
  }
  tell(kind, data);
}

function connected() {
  tell('connected', {});
  if (lostAt) tell('resumed', { away: Date.now() - lostAt });
  lostAt = 0;
}

function lost() {
  if (!lostAt) lostAt = Date.now();
  tell('lost', {});
  // A refused connection is not tried again by the browser.
  if (source.readyState === EventSource.CLOSED) setTimeout(open, 5000);
}

function tell(kind, data) {
  for (const listener of [...listeners]) listener(kind, data);
}
