// The viewer's pointer, wheel, buttons and keys.
let held = null;

function at(event) {
  const area = canvas.getBoundingClientRect();
  return [(event.clientX - area.left) * ratio(), (event.clientY - area.top) * ratio()];
}

// The view under a place of the canvas, and the film pixel there.
function place(event) {
  const [a, b] = at(event);
  const all = views();
  const view = all.find((one) => a >= one.left && a < one.left + one.width) || all[0];
  if (!view) return null;
  const [x, y] = project(view).from(a, b);
  return { view, x, y, a, b };
}

function choose(tool) {
  eye.tool = tool;
  canvas.dataset.tool = tool;
  for (const one of all('[data-tool]', find('.viewer .tools'))) one.setAttribute('aria-pressed', String(one.dataset.tool === tool));
  if (tool !== 'point') eye.drawn = null;
  if (tool !== 'measure') eye.ruler = null;
  paint();
}

function zoomAt(a, b, factor) {
  const [view] = views();
  if (!view) return;
  const own = views().find((one) => a >= one.left && a < one.left + one.width) || view;
  const current = { ...own, film: room.film };
  const [x, y] = project(current).from(a, b);
  eye.zoom = Math.min(24, Math.max(0.02, eye.zoom * factor));
  const [c, d] = project(current).to(x, y);
  eye.x += (c - a) / eye.zoom / room.film.width;
  eye.y += (d - b) / eye.zoom / room.film.height;
  eye.moved = true;
  paint();
}

function move(across, down) {
  if (!room.film) return;
  eye.x -= across / eye.zoom / room.film.width;
  eye.y -= down / eye.zoom / room.film.height;
  eye.moved = true;
  paint();
}

function setWindow(name) { [eye.center, eye.width] = WINDOWS[name]; paint(); }

canvas.addEventListener('wheel', (event) => {
  event.preventDefault();
  if (room.film) zoomAt(...at(event), Math.exp(-event.deltaY / 500));
}, { passive: false });

canvas.addEventListener('pointerdown', (event) => {
  if (!room.film) return;
  canvas.setPointerCapture(event.pointerId);
  canvas.focus();
  const start = place(event);
  const current = start.view.film === room.film;
  const tool = event.button === 1 || event.button === 2 || event.shiftKey ? 'pan' : eye.tool;
  held = { tool: !current && (tool === 'point' || tool === 'measure') ? 'pan' : tool, last: [event.clientX, event.clientY], start, moved: 0, seam: onSeam(start) };
});

canvas.addEventListener('contextmenu', (event) => event.preventDefault());

function onSeam(start) {
  if (eye.mode !== 'slider' || !room.prior) return false;
  const own = project(start.view);
  return Math.abs(start.a - (own.left + eye.seam * room.film.width * own.zoom)) < 10 * ratio();
}

canvas.addEventListener('pointermove', (event) => {
  const now = room.film ? place(event) : null;
  if (now) { tellPlace(now.x, now.y, now.view.film); canvas.style.cursor = onSeam(now) ? 'ew-resize' : ''; }
  if (!held || !now) return;
  const across = event.clientX - held.last[0], down = event.clientY - held.last[1];
  held.last = [event.clientX, event.clientY];
  held.moved += Math.abs(across) + Math.abs(down);
  if (held.seam) setSeam((now.a - project(now.view).left) / (room.film.width * project(now.view).zoom));
  else if (held.tool === 'pan') move(across * ratio(), down * ratio());
  else if (held.tool === 'window') {
    eye.width = Math.min(2, Math.max(0.02, eye.width + across / 500));
    eye.center = Math.min(1.2, Math.max(-0.2, eye.center + down / 500));
    paint();
  } else if (held.tool === 'measure') { eye.ruler = [held.start.x, held.start.y, now.x, now.y]; paint(); }
  else if (held.tool === 'point') { eye.drawn = ordered(held.start, now); paint(); }
});

function ordered(one, other) {
  const wide = room.film.width, high = room.film.height;
  const clip = (value, most) => Math.min(most, Math.max(0, value));
  return [clip(Math.min(one.x, other.x), wide), clip(Math.min(one.y, other.y), high), clip(Math.max(one.x, other.x), wide), clip(Math.max(one.y, other.y), high)];
}

canvas.addEventListener('pointerup', () => {
  const done = held;
  held = null;
  if (!done || !room.film) return;
  if (done.moved < 5) { if (done.tool !== 'measure' && done.start.view.film === room.film) aboutPlace(done.start.x, done.start.y); }
  else if (done.tool === 'point' && eye.drawn) askPlace(eye.drawn);
});
canvas.addEventListener('pointerleave', () => { find('.foot .place').textContent = ''; });
canvas.addEventListener('dblclick', () => { eye.moved = false; fit(); paint(); });
new ResizeObserver(() => paint()).observe(canvas);

function setSeam(value) {
  eye.seam = Math.min(1, Math.max(0, value));
  find('.seam input').value = Math.round(eye.seam * 100);
  paint();
}
find('.seam input').addEventListener('input', (event) => setSeam(event.target.value / 100));

// A click on the film: the sentences about what lies there.
function aboutPlace(x, y) {
  const ids = under(x, y);
  const regions = new Set(ids);
  const hits = room.report ? room.report.sentences.filter((one) => one.evidence.some((id) => regions.has(id))
    || one.entries.some((key) => ((room.basis.ledger[key] || {}).regions || []).some((id) => regions.has(id)))) : [];
  room.about = hits.map((one) => one.id);
  light(ids.slice(0, 1), true);
  markSentences();
  if (hits.length) chooseSentence(hits[0].id, { keepLit: true });
  else if (ids.length) say(`${raised(room.basis.evidence[ids[0]].title)}: no sentence is about it.`);
}

// Prior: off, beside, slider.
async function compare(mode) {
  if (!room.opened || !room.opened.prior) return;
  const own = room.study;
  if (mode !== 'off' && !room.prior) say('Opening the prior…');
  if (mode !== 'off' && !room.prior) {
    const answer = await call('film', { study: own, prior: chosenPrior().name });
    if (!answer || room.study !== own) return;
    room.prior = await decode(answer.film);
  }
  eye.mode = mode;
  if (mode !== 'off') eye.shown = 'frontal';
  const shown = find('[data-do=compare]');
  shown.title = `Prior: ${mode} (C)`;
  shown.setAttribute('aria-pressed', String(mode !== 'off'));
  find('.seam').hidden = mode !== 'slider';
  writeFilms();
  if (!eye.moved) fit();
  paint();
}
// How much earlier a prior is, in a reader's words.
function earlier(days) {
  if (days === null) return 'date unknown';
  if (days < 1) return days < 0 ? 'later than this study' : 'same day';
  const count = (number, name) => `${number} ${name}${number === 1 ? '' : 's'}`;
  if (days < 14) return `${count(days, 'day')} earlier`;
  if (days < 60) return `${count(Math.round(days / 7), 'week')} earlier`;
  const months = Math.round(days / 30.44);
  const years = Math.floor(months / 12);
  const spans = [years && count(years, 'year'), months % 12 && count(months % 12, 'month')];
  return `${spans.filter(Boolean).join(' ')} earlier`;
}
const chosenPrior = () => room.opened.priors.find((one) => one.chosen) || room.opened.priors[0];
const priorName = () => `Prior · ${earlier(chosenPrior().days)}`;

// The study's further films and its priors to choose from, over the film's upper edge.
function writeFilms() {
  const row = find('.films'), opened = room.opened;
  row.replaceChildren();
  const more = opened ? opened.views.slice(1) : [], priors = opened ? opened.priors : [];
  row.hidden = !(more.length || (priors.length > 1 && eye.mode !== 'off'));
  if (row.hidden) return;
  const choice = make('div', 'group');
  choice.setAttribute('role', 'group'); choice.setAttribute('aria-label', 'Films of this study');
  const offer = (text, title, on, act) => { const made = button(text, act); made.setAttribute('aria-pressed', String(on)); made.title = title; choice.append(made); };
  if (more.length) offer(viewName(opened.views[0], 0), 'The film that is read (Y)', eye.shown === 'frontal' && eye.mode === 'off', () => showFurther(0, 'frontal'));
  more.forEach((view, index) => {
    const number = index + 1, own = room.further && room.further.number === number;
    offer(viewName(view, number), 'Shown only: no expert reads it (Y)', own && eye.shown === 'alone', () => showFurther(number, 'alone'));
    offer(`Beside ${viewName(opened.views[0], 0)}`, 'Both films (Y)', own && eye.shown === 'both', () => showFurther(number, 'both'));
  });
  if (more.length) row.append(choice);
  if (priors.length > 1 && eye.mode !== 'off') {
    const label = make('label', '', 'Prior '), list = make('select');
    priors.forEach((one, index) => { const option = make('option', '', `${earlier(one.days)}${index === 0 && one.days !== null ? ', nearest' : ''}${one.drafted ? ', in the draft' : ''}`); option.value = one.name; option.selected = one.chosen; list.append(option); });
    list.setAttribute('aria-label', 'Prior to compare with');
    list.addEventListener('change', () => choosePrior(list.value));
    label.append(list); row.append(label);
  }
}

function viewName(view, number) {
  const name = { PA: 'PA', AP: 'AP', LATERAL: 'Lateral' }[view] || 'Film';
  return room.opened.views.indexOf(view) < number || name === 'Film' ? `${name} ${number + 1}` : name;
}

async function showFurther(number, shown) {
  const own = room.study;
  if (shown !== 'frontal' && !(room.further && room.further.number === number)) {
    say('Opening the film…');
    const answer = await call('film', { study: own, number });
    if (!answer || room.study !== own) return;
    room.further = { ...await decode(answer.film), number };
  }
  eye.shown = shown;
  if (eye.mode !== 'off') await compare('off');
  if (shown !== 'frontal') say('This film is shown only. No expert reads it, and the draft says so.');
  if (!eye.moved) fit();
  writeFilms(); paint();
}

function nextFilm() {
  const most = room.opened ? room.opened.views.length - 1 : 0;
  if (!most) return;
  const now = eye.shown === 'frontal' ? 0 : 2 * room.further.number - (eye.shown === 'alone' ? 1 : 0), next = (now + 1) % (2 * most + 1);
  showFurther(Math.ceil(next / 2), next === 0 ? 'frontal' : next % 2 ? 'alone' : 'both');
}

async function choosePrior(name) {
  const own = room.study;
  const answer = await call('compare', { study: own, prior: name });
  if (!answer || room.study !== own) return;
  room.opened.priors = answer.priors;
  room.prior = await decode(answer.film);
  writeFilms(); paint();
  const now = chosenPrior();
  say(!room.report || now.drafted ? `Beside the film: ${earlier(now.days)}.` : 'The draft was compared with another prior. Draft again to compare it with this one.');
}
const nextMode = () => MODES[(MODES.indexOf(eye.mode) + 1) % MODES.length];

// A box by keys: P puts one in the middle, arrows move it, Shift and arrows size it, Enter asks.
function boxByKey(event) {
  const { width, height } = room.film;
  if (!eye.drawn) eye.drawn = [width * 0.4, height * 0.4, width * 0.6, height * 0.6];
  const step = width * 0.02, steps = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
  const [dx, dy] = steps[event.key] || [0, 0];
  const [x0, y0, x1, y1] = eye.drawn;
  if (event.key === 'Enter') { askPlace(eye.drawn); return true; }
  if (event.key === 'Escape') { choose('window'); return true; }
  if (!steps[event.key]) return false;
  eye.drawn = event.shiftKey ? [x0, y0, Math.max(x0 + step, x1 + dx), Math.max(y0 + step, y1 + dy)] : [x0 + dx, y0 + dy, x1 + dx, y1 + dy];
  paint();
  return true;
}

canvas.addEventListener('keydown', (event) => {
  if (!room.film || event.ctrlKey || event.metaKey || event.altKey) return;
  if (eye.tool === 'point' && boxByKey(event)) { event.preventDefault(); return; }
  if (eye.mode === 'slider' && event.shiftKey && (event.key === 'ArrowLeft' || event.key === 'ArrowRight')) { setSeam(eye.seam + (event.key === 'ArrowLeft' ? -0.03 : 0.03)); event.preventDefault(); return; }
  const moves = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] };
  const windows = { '[': [0, -0.04], ']': [0, 0.04], '{': [-0.04, 0], '}': [0.04, 0] };
  if (moves[event.key]) move(...moves[event.key]);
  else if (windows[event.key]) {
    eye.center += windows[event.key][0]; eye.width = Math.max(0.02, eye.width + windows[event.key][1]); paint();
  } else return;
  event.preventDefault();
});

const ACTS = {
  invert() { eye.invert = !eye.invert; find('[data-do=invert]').setAttribute('aria-pressed', String(eye.invert)); paint(); },
  fit() { eye.moved = false; fit(); paint(); },
  one() { oneToOne(); eye.moved = true; paint(); },
  layers() {
    const panel = find('.layers');
    panel.hidden = !panel.hidden;
    find('[data-do=layers]').setAttribute('aria-expanded', String(!panel.hidden));
    if (!panel.hidden) listMarks();
  },
  compare() { compare(nextMode()); },
};
