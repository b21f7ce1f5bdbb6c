// The film with its outlines, and the draft beside it. Reads the value that ui/web/film.py makes.
// Every text from the server goes in through textContent: nothing is parsed as markup.
const WINDOWS = { default: [0.5, 1.0], lung: [0.35, 0.7], mediastinum: [0.72, 0.56] };
const state = { picture: null, center: 0.5, width: 1, invert: false, anatomy: false, zoom: 1, x: 0, y: 0, shown: [], open: null };
const find = (selector) => element.querySelector(selector);
const view = () => (props.value && props.value.film ? props.value : null);

function make(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function fit() {
  const canvas = find('canvas');
  if (!state.picture || !canvas.width) return;
  state.zoom = Math.min(canvas.width / state.picture.width, canvas.height / state.picture.height) * 0.98;
  state.x = (canvas.width - state.picture.width * state.zoom) / 2;
  state.y = (canvas.height - state.picture.height * state.zoom) / 2;
}

function paint() {
  const canvas = find('canvas');
  if (!canvas) return;
  const ratio = window.devicePixelRatio || 1;
  const width = Math.round(canvas.clientWidth * ratio), height = Math.round(canvas.clientHeight * ratio);
  if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; fit(); }
  const pen = canvas.getContext('2d');
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.fillStyle = '#000';
  pen.fillRect(0, 0, width, height);
  if (!state.picture) return;
  // Window level as a linear map: contrast about the centre, then brightness.
  const slope = 1 / Math.max(0.02, state.width);
  const offset = 0.5 - slope * state.center;
  pen.filter = state.invert ? 'invert(1)' : 'none';
  pen.imageSmoothingQuality = 'high';
  pen.drawImage(windowed(slope, offset), state.x, state.y, state.picture.width * state.zoom, state.picture.height * state.zoom);
  pen.filter = 'none';
  const value = view();
  const zoom = state.zoom * value.scale;
  const at = (x, y) => [state.x + x * zoom, state.y + y * zoom];
  const ids = new Set(state.shown);
  placed.length = 0;
  for (const [id, item] of Object.entries(value.evidence)) {
    const chosen = ids.has(id);
    if (item.outlines && (chosen || (state.anatomy && item.quality >= 0.5))) {
      outline(pen, item.outlines, at, chosen, ratio);
    }
  }
  for (const id of ids) {
    const item = value.evidence[id];
    if (!item) continue;
    if (item.box && !item.outlines && !item.lines) box(pen, item, at, ratio);
    if (item.lines) measure(pen, item, at, ratio);
  }
  side(pen, value, at, ratio);
  const reading = find('.reading');
  if (reading) reading.textContent = `W ${state.width.toFixed(2)}  L ${state.center.toFixed(2)}  ${Math.round(zoom * 100 / ratio)} %`;
}

const placed = [];
let cached = null, cachedKey = '';
function windowed(slope, offset) {
  const key = `${slope}/${offset}`;
  if (cached && cachedKey === key && cached.source === state.picture) return cached.canvas;
  const canvas = document.createElement('canvas');
  canvas.width = state.picture.width; canvas.height = state.picture.height;
  const pen = canvas.getContext('2d', { willReadFrequently: true });
  pen.drawImage(state.picture, 0, 0);
  const pixels = pen.getImageData(0, 0, canvas.width, canvas.height), data = pixels.data;
  const table = new Uint8ClampedArray(256);
  for (let grey = 0; grey < 256; grey++) table[grey] = 255 * (slope * grey / 255 + offset);
  for (let place = 0; place < data.length; place += 4) {
    data[place] = data[place + 1] = data[place + 2] = table[data[place]];
  }
  pen.putImageData(pixels, 0, 0);
  cached = { canvas, source: state.picture }; cachedKey = key;
  return canvas;
}

function outline(pen, rings, at, chosen, ratio) {
  pen.lineWidth = (chosen ? 2.2 : 1.1) * ratio;
  pen.strokeStyle = chosen ? '#ffd166' : 'rgba(120, 190, 225, .75)';
  pen.fillStyle = 'rgba(255, 209, 102, .10)';
  for (const ring of rings) {
    pen.beginPath();
    ring.forEach(([x, y], index) => { const [a, b] = at(x, y); if (index) pen.lineTo(a, b); else pen.moveTo(a, b); });
    pen.closePath();
    if (chosen) pen.fill();
    pen.stroke();
  }
}

function box(pen, item, at, ratio) {
  const [x0, y0] = at(item.box[0], item.box[1]), [x1, y1] = at(item.box[2], item.box[3]);
  pen.lineWidth = 2 * ratio;
  pen.setLineDash(item.weak ? [6 * ratio, 5 * ratio] : []);
  pen.strokeStyle = '#ff7b72';
  pen.strokeRect(x0, y0, x1 - x0, y1 - y0);
  pen.setLineDash([]);
  label(pen, `${item.title} ${item.probability == null ? '' : item.probability.toFixed(2)}`, x0, y0 - 5 * ratio, ratio);
}

function measure(pen, item, at, ratio) {
  pen.lineWidth = 2 * ratio;
  pen.strokeStyle = '#7ee0c3';
  for (let place = 0; place + 1 < item.lines.length; place += 2) {
    const [a, b] = at(...item.lines[place]), [c, d] = at(...item.lines[place + 1]);
    pen.beginPath(); pen.moveTo(a, b); pen.lineTo(c, d); pen.stroke();
  }
  if (item.lines.length) {
    const [x, y] = at(...item.lines[0]);
    const unit = item.measurement.unit === '1' ? '' : ` ${item.measurement.unit.replace(/[{}]/g, '')}`;
    const digits = item.measurement.unit === '1' ? 2 : 0;
    label(pen, `${item.title} ${item.measurement.value.toFixed(digits)}${unit}`, x, y - 6 * ratio, ratio);
  }
}

function label(pen, text, x, y, ratio) {
  // One under another where they would cover each other.
  while (placed.some(([a, b]) => Math.abs(a - x) < 220 * ratio && Math.abs(b - y) < 17 * ratio)) y += 18 * ratio;
  placed.push([x, y]);
  pen.font = `${12.5 * ratio}px system-ui, sans-serif`;
  const width = pen.measureText(text).width;
  pen.fillStyle = 'rgba(0, 0, 0, .72)';
  pen.fillRect(x - 2 * ratio, y - 13 * ratio, width + 6 * ratio, 17 * ratio);
  pen.fillStyle = '#f4f6f8';
  pen.fillText(text, x + ratio, y);
}

function side(pen, value, at, ratio) {
  pen.font = `600 ${15 * ratio}px system-ui, sans-serif`;
  pen.fillStyle = '#c9d3dc';
  const right = value.language === 'es' ? 'D' : 'R', left = value.language === 'es' ? 'I' : 'L';
  const [x0, y0] = at(0, 0), [x1] = at(value.width, 0);
  pen.fillText(right, Math.max(8 * ratio, x0 + 8 * ratio), Math.max(20 * ratio, y0 + 22 * ratio));
  pen.fillText(left, Math.min(pen.canvas.width - 20 * ratio, x1 - 20 * ratio), Math.max(20 * ratio, y0 + 22 * ratio));
}

function choose(sentence, button) {
  const value = view();
  const chosen = state.open === sentence.id ? null : sentence.id;
  state.open = chosen;
  for (const other of element.querySelectorAll('.sentence')) other.classList.remove('chosen');
  for (const old of element.querySelectorAll('.because')) old.remove();
  state.shown = [];
  if (chosen) {
    button.classList.add('chosen');
    state.shown = [...sentence.evidence, ...sentence.entries.flatMap((key) => (value.ledger[key] || { regions: [] }).regions)];
    button.after(because(sentence, value));
  }
  paint();
}

function because(sentence, value) {
  const panel = make('div', 'because');
  if (!sentence.entries.length) panel.append(make('div', 'quiet', 'Describes the examination; claims no finding.'));
  for (const key of sentence.entries) {
    const entry = value.ledger[key];
    if (!entry) continue;
    panel.append(make('div', '', `${entry.title}: ${entry.decision}, probability ${entry.probability.toFixed(2)}. ${entry.reason}`));
    const table = make('table');
    for (const vote of entry.votes) {
      const row = make('tr'), item = value.evidence[vote.evidence];
      row.append(make('td', 'quiet', vote.evidence), make('td', '', vote.expert.replace(/[_-]/g, ' ')), make('td', '', vote.polarity));
      row.append(make('td', 'number', vote.probability == null ? '' : vote.probability.toFixed(2)));
      row.append(make('td', 'quiet', item && item.thresholds ? `operating point ${item.thresholds[1].toFixed(2)}` : ''));
      table.append(row);
    }
    panel.append(table);
    for (const conflict of entry.disagreements) panel.append(make('div', 'warn', conflict));
  }
  return panel;
}

function write() {
  const report = find('.report'), value = view();
  if (!report) return;
  report.replaceChildren();
  if (!value) { report.append(make('div', 'empty', 'Choose or give a study, then draft it. The report and its evidence appear here.')); return; }
  for (const section of value.sections) {
    report.append(make('h3', '', section.name));
    for (const sentence of section.sentences) {
      const kind = sentence.entries.length ? (sentence.present ? sentence.certainty || '' : 'denied') : '';
      const button = make('button', `sentence ${kind}`, sentence.text);
      button.type = 'button';
      button.dataset.id = sentence.id;
      if (sentence.evidence.length) button.append(make('span', 'cites', `  ${sentence.evidence.join(' ')}`));
      button.addEventListener('click', () => choose(sentence, button));
      report.append(button);
    }
  }
  if (value.neighbours.length) {
    report.append(make('h3', '', 'similar reports'));
    for (const one of value.neighbours) report.append(make('div', 'quiet', `${one.similarity.toFixed(2)}  ${one.text}`));
  }
  const absent = value.experts.map((note) => `${note.role.replace(/_/g, ' ')} (${note.status.replace(/_/g, ' ')})`);
  if (absent.length) report.append(make('p', 'quiet', `Not at work: ${absent.join(', ')}.`));
  for (const warning of value.warnings) report.append(make('p', 'warn', warning));
  report.append(make('p', 'quiet', `Status: ${value.status}. Written by: ${value.writer}. Research use only; not a medical device.`));
}

function act(name, button) {
  if (name === 'window') [state.center, state.width] = WINDOWS[button.dataset.window];
  if (name === 'invert') state.invert = !state.invert;
  if (name === 'anatomy') state.anatomy = !state.anatomy;
  if (name === 'invert' || name === 'anatomy') button.setAttribute('aria-pressed', String(state[name]));
  if (name === 'fit') fit();
  if (name === 'one') { const canvas = find('canvas'); state.zoom = 1 / (view() ? view().scale : 1); state.x = (canvas.width - state.picture.width * state.zoom) / 2; state.y = (canvas.height - state.picture.height * state.zoom) / 2; }
  paint();
}

element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-do]');
  if (button && state.picture) act(button.dataset.do, button);
});
element.addEventListener('keydown', (event) => {
  if (event.target !== find('canvas') || !state.picture) return;
  const names = { i: '[data-do=invert]', o: '[data-do=anatomy]', f: '[data-do=fit]', z: '[data-do=one]', 1: '[data-window=default]', 2: '[data-window=lung]', 3: '[data-window=mediastinum]' };
  const moves = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] };
  if (names[event.key.toLowerCase()]) find(names[event.key.toLowerCase()]).click();
  else if (moves[event.key]) { state.x += moves[event.key][0]; state.y += moves[event.key][1]; paint(); }
  else if (event.key === '+' || event.key === '-') zoomAt(find('canvas').width / 2, find('canvas').height / 2, event.key === '+' ? 1.2 : 1 / 1.2);
  else return;
  event.preventDefault();
});

function zoomAt(x, y, factor) {
  const zoom = Math.min(20, Math.max(0.05, state.zoom * factor));
  state.x = x - (x - state.x) * zoom / state.zoom;
  state.y = y - (y - state.y) * zoom / state.zoom;
  state.zoom = zoom;
  paint();
}

function listen() {
  const canvas = find('canvas');
  if (!canvas || canvas.dataset.ready) return;
  canvas.dataset.ready = 'yes';
  canvas.addEventListener('wheel', (event) => {
    event.preventDefault();
    const ratio = window.devicePixelRatio || 1, area = canvas.getBoundingClientRect();
    zoomAt((event.clientX - area.left) * ratio, (event.clientY - area.top) * ratio, Math.exp(-event.deltaY / 500));
  }, { passive: false });
  let held = null;
  canvas.addEventListener('pointerdown', (event) => { held = [event.clientX, event.clientY]; canvas.setPointerCapture(event.pointerId); canvas.focus(); });
  canvas.addEventListener('pointerup', () => { held = null; });
  canvas.addEventListener('pointermove', (event) => {
    if (!held || !state.picture) return;
    const across = event.clientX - held[0], down = event.clientY - held[1];
    held = [event.clientX, event.clientY];
    const ratio = window.devicePixelRatio || 1;
    if (event.shiftKey || event.buttons === 4) { state.x += across * ratio; state.y += down * ratio; }
    else { state.width = Math.min(2, Math.max(0.05, state.width + across / 400)); state.center = Math.min(1.2, Math.max(-0.2, state.center + down / 400)); }
    paint();
  });
  canvas.addEventListener('dblclick', () => { fit(); paint(); });
  new ResizeObserver(() => paint()).observe(canvas);
}

let source = null;
function update() {
  listen();
  const value = view();
  if (!value) { state.picture = null; source = null; write(); paint(); return; }
  state.shown = value.show || [];
  if (value.film !== source) {
    source = value.film;
    const picture = new Image();
    picture.onload = () => { state.picture = picture; fit(); paint(); };
    picture.src = value.film;
    state.open = null;
  }
  write();
  paint();
}
watch('value', update);
update();
