// What all parts share: the state, calls to the room, elements, messages, keys.
// Every text from the server goes in through textContent: nothing is parsed as markup.
const app = element.querySelector('.app');
const find = (selector, within = app) => within.querySelector(selector);
const all = (selector, within = app) => [...within.querySelectorAll(selector)];
const room = {
  studies: [], samples: [], formats: [], study: null, opened: null, film: null, prior: null, further: null, report: null, basis: null,
  chosen: null, pinned: false, lit: [], about: [], following: new Set(), language: 'en', editing: null, singleKeys: true,
};
const CERTAINTY = { definite: 'definite', probable: 'probable', possible: 'possible' };

function make(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined && text !== null) made.textContent = text;
  return made;
}

function button(text, act, className = '') {
  const made = make('button', className, text);
  made.type = 'button';
  made.addEventListener('click', (event) => { event.stopPropagation(); act(event); });
  return made;
}

// One call of the room. Its refusals are told to the person; it answers null then.
async function call(name, payload = {}) {
  let answer;
  try { answer = await server[`do_${name}`](payload); }
  catch (fault) { say('The room does not answer. Is it still running?', true); return null; }
  if (!answer || typeof answer !== 'object') { say('The room answered nothing. Reload the page.', true); return null; }
  if (answer.error || answer.detail) { say(String(answer.error || 'The room refused this.'), true); return null; }
  return answer;
}

let hush = 0;
function say(text, bad = false) {
  const toast = find('.toast');
  toast.textContent = text;
  toast.className = `toast shown${bad ? ' bad' : ''}`;
  window.clearTimeout(hush);
  hush = window.setTimeout(() => toast.classList.remove('shown'), bad ? 9000 : 4000);
}

function keep(name, value) { try { window.localStorage.setItem(`reading-room-${name}`, value); } catch (refused) { /* private mode */ } }
function kept(name) { try { return window.localStorage.getItem(`reading-room-${name}`); } catch (refused) { return null; } }

const words = (name) => String(name).replace(/[_-]/g, ' ');
const raised = (text) => text.charAt(0).toUpperCase() + text.slice(1);
const share = (value) => (value === null || value === undefined ? '' : Number(value).toFixed(2));

function chip(id) {
  const made = button(id, () => { light([id], true); say(describeEvidence(id)); }, 'chip');
  made.dataset.evidence = id;
  made.tabIndex = -1;
  made.title = describeEvidence(id);
  return made;
}

function describeEvidence(id) {
  const item = room.basis && room.basis.evidence[id];
  if (!item) return `${id}: a similar report`;
  const value = item.measured ? ` ${measured(item)}` : item.probability === null ? '' : ` ${share(item.probability)}`;
  return `${id}: ${words(item.expert)}, ${words(item.kind)}: ${item.title}${value}`;
}

function measured(item) {
  const { value, unit } = item.measured;
  return unit === '1' ? value.toFixed(2) : `${value.toFixed(Math.abs(value) < 10 ? 1 : 0)} ${unit.replace(/[{}]/g, '')}`;
}

// What lights up on the film, and on the chips that name it.
function light(ids, lasting = false) {
  room.lit = ids;
  if (lasting) room.pinned = true;
  for (const one of all('.chip')) one.classList.toggle('lit', ids.includes(one.dataset.evidence));
  paint();
}

function show(tab, focus = false) {
  for (const one of all('[role=tab]')) {
    const own = one.dataset.tab === tab;
    one.setAttribute('aria-selected', String(own));
    one.tabIndex = own ? 0 : -1;
    if (own && focus) one.focus();
  }
  for (const panel of all('[data-panel]')) panel.hidden = panel.dataset.panel !== tab;
}

const signed = () => Boolean(room.report && room.report.status === 'signed');
