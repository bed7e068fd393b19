// A person as a round mark: initials, a colour that stays theirs, and whether they are there.

import { h } from './dom.js';
import { personName, presence, presenceState } from './words.js';

const TINTS = 6;

export function avatar(person, options = {}) {
  const name = personName(person);
  const tint = [...(person?.email || name)].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 9973, 7) % TINTS;
  const there = options.presence ? h('span', { class: `presence ${presenceState(options.presence)}`, title: presence(options.presence) }) : null;
  return h('span', { class: `avatar tint-${tint} ${options.size ?? ''}`, 'aria-hidden': 'true', 'data-initials': initials(name) }, there);
}

function initials(name) {
  const words = name.replace(/@.*/, '').split(/[\s._-]+/u).filter((word) => /^[\p{L}\p{N}]/u.test(word));
  const letters = words.length > 1 ? [words[0], words.at(-1)] : words;
  return letters.map((word) => [...word][0].toUpperCase()).join('') || '?';
}
