// Where somebody was when the session ended, or wanted to go before there was one: kept for the way through the sign-in page.
// Only addresses of the desk's own pages, and never what was searched for: who signs in next may be somebody else.

import { here, to } from './router.js';

const KEY = 'replyd.desk.way';
const OURS = /^#\/(?:conversations|mail|queue|answers|settings)(?:\/[A-Za-z0-9_-]{1,64})?(?:\?[\w%&=.+~-]{0,300})?$/;
const KEPT = 30 * 60_000;

export function keepWay() {
  try {
    const { page, id, params } = here();
    params.delete('query');
    localStorage.setItem(KEY, JSON.stringify({ address: to(page, id, params), at: Date.now() }));
  } catch {
    // Without a store the way begins at the list.
  }
}

/** Goes there, once; an address that this page was opened with goes before. */
export function takeWay() {
  try {
    const { address, at } = JSON.parse(localStorage.getItem(KEY) ?? '{}');
    localStorage.removeItem(KEY);
    if (/^#?\/?$/.test(location.hash) && Date.now() - at < KEPT && OURS.test(address)) history.replaceState(null, '', address);
  } catch {
    localStorage.removeItem(KEY);
  }
}

export function forgetWay() {
  localStorage.removeItem(KEY);
}
