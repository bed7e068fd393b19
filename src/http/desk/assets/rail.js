// The desk's pages, whether news arrives, and who sits here.

import { h, put } from './dom.js';
import { icon } from './icons.js';
import { menu } from './float.js';
import { listen } from './feed.js';
import { avatar } from './avatar.js';
import { session } from './session.js';
import { signOut } from './api.js';
import { showKeys } from './keys.js';
import { changePassword } from './password.js';
import { refuse } from './say.js';

const PAGES = [
  ['conversations', 'Inbox', 'inbox'],
  ['mail', 'Mail log', 'find'],
  ['queue', 'Queue', 'queue'],
  ['answers', 'Answers', 'answers'],
  ['settings', 'Settings', 'settings'],
];

export function rail() {
  const links = PAGES.map(([page, words, name]) => h('a', { class: 'to', href: `#/${page}`, 'data-page': page }, icon(name), words));
  const live = h('span', { class: 'live', role: 'img', 'aria-label': 'Live: news appears by itself', title: 'Live: news appears by itself' });
  const me = h('button', { class: 'icon-button', type: 'button', 'aria-label': `You: ${session.agent.name}`, 'aria-haspopup': 'menu', 'aria-expanded': 'false' }, avatar(session.agent));
  me.addEventListener('click', () => menu(me, [
    { words: `${session.agent.name} · ${session.agent.email}` },
    { words: 'Keyboard shortcuts', icon: icon('keyboard'), run: showKeys },
    { words: 'Change password', icon: icon('key'), run: changePassword },
    { words: 'Sign out', icon: icon('out'), run: () => signOut().catch(refuse) },
  ]));
  listen((kind) => {
    if (kind !== 'lost' && kind !== 'connected') return;
    live.classList.toggle('lost', kind === 'lost');
    live.title = kind === 'lost' ? 'Not connected: trying again' : 'Live: news appears by itself';
    live.setAttribute('aria-label', live.title);
  });
  return put(h('nav', { class: 'rail', 'aria-label': 'Desk' }), h('span', { class: 'logo', 'aria-hidden': 'true' }, 're'), links, h('span', { class: 'spring' }), live, me);
}

export function markPage(nav, page) {
  for (const link of nav.querySelectorAll('a.to')) {
    if (link.dataset.page === page) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
}
