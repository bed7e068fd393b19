// What an agent wrote and did not send, kept in this browser for each conversation.

import { session } from './session.js';

const PREFIX = 'replyd.draft.';
const KEPT = 100;

const key = (conversation) => `${PREFIX}${session.account}.${conversation}`;

export function draft(conversation) {
  try {
    return JSON.parse(localStorage.getItem(key(conversation)) ?? 'null');
  } catch {
    return null;
  }
}

/** An empty text forgets the draft. */
export function keepDraft(conversation, written) {
  try {
    if (!written?.text?.trim()) {
      localStorage.removeItem(key(conversation));
      return;
    }
    localStorage.setItem(key(conversation), JSON.stringify({ ...written, at: Date.now() }));
    forgetOldest();
  } catch {
    // A full or forbidden store costs the draft, not the desk.
  }
}

export const hasDraft = (conversation) => localStorage.getItem(key(conversation)) !== null;

function forgetOldest() {
  const keys = Object.keys(localStorage).filter((name) => name.startsWith(PREFIX));
  if (keys.length <= KEPT) return;
  const age = (name) => JSON.parse(localStorage.getItem(name) ?? '{}').at ?? 0;
  keys.sort((a, b) => age(a) - age(b)).slice(0, keys.length - KEPT).forEach((name) => localStorage.removeItem(name));
}
