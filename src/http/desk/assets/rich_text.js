// Plain text as people wrote it, with the addresses in it as links. Nothing but text nodes and our own <a>.

import { h } from './dom.js';

const LINK = /\bhttps?:\/\/[^\s<>"'`]{1,2000}/g;
const TRAILING = /[.,;:!?)\]}'"]+$/;
const LINKS_MAX = 200;

export function richText(text, className = 'text') {
  const node = h('div', { class: className, dir: 'auto' });
  let from = 0;
  let links = 0;
  for (const found of text.matchAll(LINK)) {
    if (++links > LINKS_MAX) break;
    const address = found[0].replace(TRAILING, '');
    node.append(text.slice(from, found.index), link(address));
    from = found.index + address.length;
  }
  node.append(text.slice(from));
  return node;
}

function link(address) {
  return h('a', { href: address, target: '_blank', rel: 'noopener noreferrer nofollow' }, address);
}
