// What an agent wrote and did not send, kept in this browser for each agent and conversation: who signs in next finds none of
// it. What one tab keeps or sends, the others hear.

import { session } from './session.js';

const PREFIX = 'replyd.draft.';
const KEPT = 100;

const key = (conversation) => `${PREFIX}${session.account}.${session.agent.id}.${conversation}`;

export function draft(conversation) {
  return read(localStorage.getItem(key(conversation)));
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

/** Calls it with what another tab kept instead, null where it was sent or deleted; the answer takes it off again. */
export function onOtherTab(conversation, listener) {
  const hear = (event) => {
    if (event.storageArea === localStorage && event.key === key(conversation)) listener(read(event.newValue));
  };
  addEventListener('storage', hear);
  return () => removeEventListener('storage', hear);
}

function read(kept) {
  try {
    return JSON.parse(kept ?? 'null');
  } catch {
    return null;
  }
}

function forgetOldest() {
  const keys = Object.keys(localStorage).filter((name) => name.startsWith(PREFIX));
  if (keys.length <= KEPT) return;
  const age = (name) => read(localStorage.getItem(name))?.at ?? 0;
  keys.sort((a, b) => age(a) - age(b)).slice(0, keys.length - KEPT).forEach((name) => localStorage.removeItem(name));
}
