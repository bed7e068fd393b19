// Who sits at this desk, of which account, with whom.

import { get, speakAs } from './api.js';

/** Whoever opens a menu waits for it no longer. */
const HASTE = 700;

export const session = { agent: null, account: '', inboxes: [], agents: [], answers: [] };

export async function begin() {
  const me = await get('/api/v1/me');
  speakAs(me);
  session.agent = me.agent;
  session.account = me.account;
  session.inboxes = me.inboxes.map((name) => ({ name }));
  await Promise.all([readAgents(), readAnswers(), readSettings()]);
}

export async function readAgents() {
  session.agents = (await get('/api/v1/agents')).items;
}

export async function readAnswers() {
  session.answers = (await get('/api/v1/canned_answers')).items;
}

/** What colleagues and the operator changed meanwhile; without an answer, or in haste, what is known stays. */
export function again(read) {
  return Promise.race([read().catch(() => {}), new Promise((go) => setTimeout(go, HASTE))]);
}

/** How long an answer of each inbox can be taken back is among them. */
export async function readSettings() {
  session.inboxes = (await get('/api/v1/settings')).inboxes;
}

/** Whether this address, or author, is who sits here. */
export function isMe(author) {
  const email = typeof author === 'string' ? author : author?.email;
  return Boolean(email) && email.toLowerCase() === session.agent?.email.toLowerCase();
}

export function agentNamed(email) {
  return session.agents.find((agent) => agent.email === email)?.name ?? email ?? '';
}

export function inboxNamed(name) {
  return session.inboxes.find((inbox) => inbox.name === name);
}
