// What the desk tells its agent: toasts to see, and a quiet region to hear.

import { h } from './dom.js';
import { forAgents } from './words.js';

const SHOWN = 6000;

const toasts = h('div', { class: 'toasts', role: 'status' });
const region = h('div', { class: 'sr-only', 'aria-live': 'polite' });

export function mountVoice() {
  document.body.append(toasts, region);
}

/** For screen readers alone. */
export function announce(words) {
  region.textContent = words;
}

/** What was said about one page means nothing on the next. */
export function hush() {
  toasts.replaceChildren();
}

export function toast(words, options = {}) {
  for (const said of [...toasts.children]) if (said.firstChild.textContent === words) said.remove();
  const note = h('div', { class: `toast ${options.tone ?? ''}` }, h('span', null, words));
  if (options.action) {
    const act = () => {
      note.remove();
      options.action.run();
    };
    note.append(h('button', { class: 'link', type: 'button', on: { click: act } }, options.action.words));
  }
  toasts.append(note);
  while (toasts.childElementCount > 2) toasts.firstElementChild.remove();
  setTimeout(() => note.remove(), options.shown ?? SHOWN);
}

export const refuse = (error) => toast(forAgents(error.message || String(error)), { tone: 'bad', shown: 10_000 });

/** Runs it; a refusal is shown, and the answer is then undefined. */
export async function tried(action) {
  try {
    return await action();
  } catch (error) {
    refuse(error);
    return undefined;
  }
}
