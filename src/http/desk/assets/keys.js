// Keyboard shortcuts: one table, which is also the help.

import { h, isWriting } from './dom.js';
import { dialog } from './float.js';
import { go, to } from './router.js';

const KEYS = [
  ['j / k', 'Next, previous conversation'], ['Enter', 'Open it'], ['r', 'Answer'], ['n', 'Write a note'],
  ['e', 'Resolve, or reopen'], ['z', 'Snooze'], ['a', 'Assign'], ['m', 'Assign to me'], ['i', 'Details beside it'], ['/', 'Search; in an answer: canned answers'],
  ['Ctrl Enter', 'Send'], ['u', 'Undo sending'], ['Esc', 'Back, close'], ['g c', 'Open conversations'], ['g m', 'My conversations'], ['g u', 'Unassigned'],
  ['g l', 'Mail log'], ['g q', 'Queue'], ['g a', 'Canned answers'], ['g s', 'Settings'], ['?', 'This help'],
];
const PLACES = {
  c: to('conversations'), m: to('conversations', null, { assignee: 'me' }), u: to('conversations', null, { assignee: 'none' }),
  l: to('mail'), q: to('queue'), a: to('answers'), s: to('settings'),
};
const COMBINATION = 1200;

let wentAt = 0;

/** `acts` maps a key to what it does; an act that does not apply answers false. */
export function startKeys(acts) {
  addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
    if (isWriting() && event.key !== 'Escape') return;
    if (pressed(event.key, acts)) event.preventDefault();
  });
}

function pressed(key, acts) {
  if (Date.now() - wentAt < COMBINATION && PLACES[key]) {
    wentAt = 0;
    go(PLACES[key]);
    return true;
  }
  if (key === 'g') {
    wentAt = Date.now();
    return true;
  }
  if (key === '?') {
    showKeys();
    return true;
  }
  const act = acts[key];
  return act ? act() !== false : false;
}

export function showKeys() {
  dialog('Keyboard shortcuts', 'help', h('div', { class: 'keys' }, KEYS.map(([keys, words]) =>
    h('div', null, h('span', null, words), h('span', null, keys.split(' ').map((key) => (key === '/' && keys !== '/' ? ' / ' : [h('kbd', null, key), ' '])))))));
}
