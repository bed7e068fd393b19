// Things that lie over the page: menus and dialogs. Both give the focus back where it was.

import { h } from './dom.js';
import { icon } from './icons.js';

let closeMenu = null;

/** Items: `{ words, small?, at?, run, icon?, chosen? }`. Opens below (or above) its button. */
export function menu(button, items) {
  if (closeMenu?.button === button) return closeMenu();
  closeMenu?.();
  const list = h('div', { class: 'menu', role: 'menu' });
  const close = () => {
    list.remove();
    button.setAttribute('aria-expanded', 'false');
    removeEventListener('pointerdown', outside, true);
    closeMenu = null;
  };
  close.button = button;
  const outside = (event) => {
    if (!list.contains(event.target) && !button.contains(event.target)) close();
  };
  const choose = (item) => {
    close();
    button.focus();
    item.run();
  };
  list.append(...items.map((item) => entry(item, choose)));
  list.addEventListener('keydown', (event) => steer(event, list, button, close));
  button.setAttribute('aria-expanded', 'true');
  (button.closest('main, nav') ?? document.body).append(list);
  place(list, button);
  addEventListener('pointerdown', outside, true);
  closeMenu = close;
  list.querySelector('button')?.focus();
  return undefined;
}

function entry(item, choose) {
  if (!item.run) return h('p', null, item.words);
  const chosen = item.chosen === undefined ? null : String(item.chosen);
  return h('button', { type: 'button', role: chosen === null ? 'menuitem' : 'menuitemradio', 'aria-checked': chosen, tabindex: '-1', on: { click: () => choose(item) } },
    item.icon ?? null,
    h('span', { dir: 'auto' }, item.words, item.small ? h('small', null, item.small) : null),
    item.at ? h('span', { class: 'at' }, item.at) : null,
    item.chosen ? h('span', { class: 'at' }, icon('check', 'small')) : null);
}

function steer(event, list, button, close) {
  const all = [...list.querySelectorAll('button')];
  const at = all.indexOf(document.activeElement);
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step) {
    event.preventDefault();
    all[(at + step + all.length) % all.length]?.focus();
  } else if (event.key === 'Escape' || event.key === 'Tab') {
    event.preventDefault();
    event.stopPropagation();
    close();
    button.focus();
  }
}

function place(list, button) {
  const at = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = list;
  const below = at.bottom + 4 + height <= innerHeight;
  list.style.left = `${Math.max(8, Math.min(at.right - width, innerWidth - width - 8))}px`;
  list.style.top = `${below ? at.bottom + 4 : Math.max(8, at.top - height - 4)}px`;
}

/** A dialog with a title; closes by Escape, its cross, or a click beside it. */
export function dialog(title, className, ...content) {
  const close = h('button', { class: 'icon-button', type: 'button', 'aria-label': 'Close' }, icon('close'));
  const node = h('dialog', { class: className, 'aria-label': title }, h('header', null, h('h2', { dir: 'auto' }, title), close), h('div', { class: 'in' }, content));
  close.addEventListener('click', () => node.close());
  node.addEventListener('click', (event) => {
    if (event.target === node) node.close();
  });
  node.addEventListener('close', () => node.remove());
  // Escape is for the dialog alone: the page behind it must not hear it as well.
  node.addEventListener('cancel', (event) => event.preventDefault());
  node.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    event.preventDefault();
    event.stopPropagation();
    node.close();
  });
  document.body.append(node);
  node.showModal();
  return node;
}
