// The seconds in which a message can still be taken back: only agents see it until they end.

import { h } from './dom.js';
import { icon } from './icons.js';
import { post, remove } from './api.js';
import { refuse, toast } from './say.js';
import { isMe } from './session.js';

/** The server lets it go within a moment; its news brings the rest. */
const LET_GO = 700;

export const isHeld = (message) => Boolean(message.held_until) && new Date(message.held_until) > Date.now();

export function heldFoot(message, context) {
  if (!isMe(message.author)) return colleaguesFoot(message, context);
  const undo = h('button', { class: 'link', type: 'button', 'data-undo': '' });
  const now = h('button', { class: 'link', type: 'button' }, 'Send now');
  const foot = h('div', { class: 'foot' }, h('span', { class: 'state' }, icon('clock', 'small'), 'Not sent yet'), undo, now);
  const both = (disabled) => {
    undo.disabled = disabled;
    now.disabled = disabled;
  };
  undo.addEventListener('click', () => settle(both, () => takeBack(message, context)));
  now.addEventListener('click', () => settle(both, () => release(message, context)));
  count(undo, foot, message, context);
  return foot;
}

/** Only who wrote it may take it back. */
function colleaguesFoot(message, context) {
  setTimeout(() => context.changed(), new Date(message.held_until) - Date.now() + LET_GO);
  return h('div', { class: 'foot' }, h('span', { class: 'state' }, icon('clock', 'small'), 'Not sent yet'));
}

async function settle(both, action) {
  both(true);
  try {
    await action();
  } catch (error) {
    refuse(error);
    both(false);
  }
}

async function takeBack(message, context) {
  const taken = await remove(`/api/v1/messages/${encodeURIComponent(message.id)}`);
  context.gone(message.id);
  context.restore(taken.text, message.direction === 'note' ? 'note' : 'reply');
  if (message.attachments.length) toast('Taken back. Its files have to be attached again.');
}

async function release(message, context) {
  await post(`/api/v1/messages/${encodeURIComponent(message.id)}/release`);
  context.changed();
}

function count(undo, foot, message, context) {
  const left = Math.ceil((new Date(message.held_until) - Date.now()) / 1000);
  if (left <= 0) {
    setTimeout(() => context.changed(), LET_GO);
    return;
  }
  undo.textContent = `Undo · ${left} s`;
  setTimeout(() => foot.isConnected && count(undo, foot, message, context), 250);
}
