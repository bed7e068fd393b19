// Calls of the API with the session's cookie. What it refuses is an ApiError with its own words.

import { forgetWay, keepWay } from './way_back.js';

let csrf = '';
let signedIn = null;
let leaving = false;

export class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** What the session of this agent needs to change anything. */
export function speakAs({ agent, csrf: word }) {
  signedIn = agent.id;
  csrf = word;
}

export const get = (path, query) => call('GET', withQuery(path, query));
export const post = (path, body, options) => call('POST', path, body ?? {}, options);
export const put = (path, body) => call('PUT', path, body);
export const patch = (path, body) => call('PATCH', path, body);
export const remove = (path) => call('DELETE', path);

/** Absent and empty values are left out. */
export function withQuery(path, query) {
  const given = Object.entries(query ?? {}).filter(([, value]) => value !== undefined && value !== null && value !== '');
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

async function call(method, path, body, { again, ...options } = {}) {
  const headers = { accept: 'application/json' };
  if (method !== 'GET') headers['x-replyd-csrf'] = csrf;
  if (body !== undefined) headers['content-type'] = 'application/json';
  const response = await reach(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), ...options });
  if (response.status === 401) signIn();
  const answer = await read(response);
  if (answer?.error?.code === 'csrf' && !again && (await renewed())) return call(method, path, body, { ...options, again: true });
  if (!response.ok) throw refused(response, answer);
  return answer;
}

/** Whoever signed in again in another tab has another word; as somebody else, everything shown here is not theirs. */
async function renewed() {
  const me = await call('GET', '/api/v1/me');
  if (me.agent.id !== signedIn) location.reload();
  csrf = me.csrf;
  return me.agent.id === signedIn;
}

/** The octets behind an address of ours, as text or blob. */
export async function fetchBody(path, form) {
  const response = await reach(path, {});
  if (!response.ok) throw refused(response, await read(response));
  return form === 'blob' ? response.blob() : response.text();
}

async function reach(path, request) {
  try {
    return await fetch(path, { credentials: 'same-origin', cache: 'no-store', ...request });
  } catch {
    throw new ApiError(0, 'unreachable', 'The desk cannot be reached. Check your connection and try again.');
  }
}

async function read(response) {
  if (response.status === 204 || !response.headers.get('content-type')?.includes('json')) return null;
  return response.json().catch(() => null);
}

function refused(response, answer) {
  const wait = response.headers.get('retry-after');
  const words = answer?.error?.message ?? `The desk answered ${response.status}.`;
  return new ApiError(response.status, answer?.error?.code ?? '', wait ? `${words} Try again in ${wait} s.` : words);
}

function signIn() {
  if (leaving) return;
  leaving = true;
  keepWay();
  location.assign('/desk/sign-in');
}

/** What else notices that the session is over does not lead back here. */
export async function signOut() {
  leaving = true;
  try {
    await post('/desk/sign-out');
    forgetWay();
    location.assign('/desk/sign-in');
  } catch (error) {
    leaving = false;
    throw error;
  }
}
