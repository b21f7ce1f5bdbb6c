// Marks over the film: outlines, boxes, measurement lines, the ruler, sides and scale.
const COLOURS = ['#ff8a80', '#ffd166', '#7ee0c3', '#c5a3ff', '#8ecbff', '#f4a6d7'];
const labels = [];

function marked(id) { return room.basis ? room.basis.evidence[id] : null; }

function colourOf(item) {
  if (!item.finding || !room.basis) return '#74c3ef';
  const named = [...new Set(Object.values(room.basis.evidence).map((one) => one.finding).filter(Boolean))];
  return COLOURS[named.indexOf(item.finding) % COLOURS.length];
}

function drawMarks(at) {
  labels.length = 0;
  const lit = new Set(room.lit);
  if (room.basis) {
    pen.globalAlpha = eye.opacity;
    for (const [id, item] of Object.entries(room.basis.evidence)) {
      if (!lit.has(id) && eye.marks[id]) drawMark(id, item, at, false);
    }
    pen.globalAlpha = 1;
    for (const id of lit) { const item = marked(id); if (item) drawMark(id, item, at, true); }
  }
  if (eye.drawn) drawBox(eye.drawn, at, '#74c3ef', [5, 4], 'What is here?');
  if (eye.ruler) drawRuler(at);
}

function drawMark(id, item, at, strong) {
  if (item.outlines && item.outlines.length) drawOutline(item, at, strong);
  else if (item.lines && item.lines.length) drawLines(item, at, strong);
  else if (item.box && item.kind === 'detection') drawBox(item.box, at, colourOf(item), item.weak ? [6, 5] : [], `${item.title} ${share(item.probability)}`, strong);
}

function drawOutline(item, at, strong) {
  pen.lineWidth = (strong ? 2.2 : 1.2) * ratio();
  pen.strokeStyle = strong ? '#ffd166' : '#74c3ef';
  pen.fillStyle = strong ? 'rgba(255, 209, 102, .05)' : 'rgba(116, 195, 239, .03)';
  pen.beginPath();
  for (const ring of item.outlines) {
    ring.forEach(([x, y], index) => { const [a, b] = at.to(x, y); if (index) pen.lineTo(a, b); else pen.moveTo(a, b); });
    pen.closePath();
  }
  pen.fill('evenodd'); pen.stroke();
}

function drawBox([x0, y0, x1, y1], at, colour, dash, text, strong = true) {
  const [a, b] = at.to(x0, y0), [c, d] = at.to(x1, y1);
  pen.lineWidth = (strong ? 2 : 1.4) * ratio();
  pen.setLineDash(dash.map((part) => part * ratio()));
  pen.strokeStyle = 'rgba(0, 0, 0, .7)'; pen.strokeRect(a - ratio(), b - ratio(), c - a + 2 * ratio(), d - b + 2 * ratio());
  pen.strokeStyle = colour; pen.strokeRect(a, b, c - a, d - b);
  pen.setLineDash([]);
  drawLabel(text, Math.min(a, c), Math.min(b, d) - 5 * ratio(), colour);
}

function drawLines(item, at, strong) {
  for (let place = 0; place + 1 < item.lines.length; place += 2) {
    const [a, b] = at.to(...item.lines[place]), [c, d] = at.to(...item.lines[place + 1]);
    const long = Math.hypot(c - a, d - b) || 1, nx = -(d - b) / long * 6 * ratio(), ny = (c - a) / long * 6 * ratio();
    for (const [wide, colour] of [[4, 'rgba(0, 0, 0, .7)'], [strong ? 2 : 1.4, '#7ee0c3']]) {
      pen.lineWidth = wide * ratio(); pen.strokeStyle = colour;
      pen.beginPath(); pen.moveTo(a, b); pen.lineTo(c, d);
      for (const [x, y] of [[a, b], [c, d]]) { pen.moveTo(x - nx, y - ny); pen.lineTo(x + nx, y + ny); }
      pen.stroke();
    }
  }
  const last = item.lines.length - 2;
  if (last >= 0) { const [x, y] = at.to(...item.lines[last]); drawLabel(`${item.title} ${measured(item)}`, x, y + 22 * ratio(), '#7ee0c3'); }
}

function drawRuler(at) {
  const [x0, y0, x1, y1] = eye.ruler;
  const item = { lines: [[x0, y0], [x1, y1]], title: '' };
  pen.save();
  const [a, b] = at.to(x0, y0), [c, d] = at.to(x1, y1);
  pen.lineWidth = 2 * ratio(); pen.strokeStyle = '#ffd166';
  pen.beginPath(); pen.moveTo(a, b); pen.lineTo(c, d); pen.stroke();
  pen.fillStyle = '#ffd166';
  for (const [x, y] of [[a, b], [c, d]]) { pen.beginPath(); pen.arc(x, y, 3 * ratio(), 0, 7); pen.fill(); }
  pen.restore();
  drawLabel(lengthOf(item.lines[1][0] - item.lines[0][0], item.lines[1][1] - item.lines[0][1]), (a + c) / 2, (b + d) / 2 - 8 * ratio(), '#ffd166');
}

// Texts on dark plates, inside the canvas, one under another where they would cover each other.
function drawLabel(text, x, y, colour) {
  if (!text) return;
  pen.font = `${12.5 * ratio()}px system-ui, sans-serif`;
  const width = pen.measureText(text).width + 8 * ratio(), height = 18 * ratio();
  x = Math.max(2, Math.min(canvas.width - width - 2, x));
  y = Math.max(height, Math.min(canvas.height - 4, y));
  while (labels.some(([a, b, w]) => x < a + w && a < x + width && Math.abs(b - y) < height)) y += height;
  labels.push([x, y, width]);
  pen.fillStyle = 'rgba(8, 10, 12, .8)';
  pen.fillRect(x, y - 14 * ratio(), width, height);
  pen.fillStyle = colour;
  pen.fillText(text, x + 4 * ratio(), y);
}

// Sides at the film's edges, a scale bar, and which film this is.
function drawFrame(view, at) {
  const spanish = room.report && room.report.language === 'es';
  const edge = 10 * ratio(), size = 22 * ratio();
  const left = Math.max(view.left + edge, at.left + edge), right = Math.min(view.left + view.width - edge, at.left + view.film.width * at.zoom - edge);
  const top = Math.max(edge, at.top + edge);
  if (eye.sides && view.film.view !== 'LATERAL') {
    pen.font = `700 ${16 * ratio()}px system-ui, sans-serif`;
    pen.textAlign = 'center';
    for (const [text, x] of [[spanish ? 'D' : 'R', left + size / 2], [spanish ? 'I' : 'L', right - size / 2]]) {
      pen.fillStyle = 'rgba(8, 10, 12, .72)'; pen.fillRect(x - size / 2, top, size, size + 2);
      pen.fillStyle = '#f0f4f7'; pen.fillText(text, x, top + 17 * ratio());
    }
    pen.textAlign = 'left';
  }
  const given = view.film.view === 'UNKNOWN' ? '' : `${view.film.view === 'LATERAL' ? 'lateral' : view.film.view}${view.film.view_source === 'guessed' ? ', estimated' : ''}`;
  const title = [view.name, given].filter(Boolean).join(' · ');
  if (title) { pen.font = `${12.5 * ratio()}px system-ui, sans-serif`; pen.fillStyle = '#c9d3dc'; pen.fillText(title, view.left + edge, canvas.height - edge); }
  if (view.film.spacing) {
    const bar = 50 / view.film.spacing.row * at.zoom, x = view.left + view.width - edge, foot = canvas.height - edge, head = foot - bar;
    if (bar < canvas.height * 0.8) {
      pen.strokeStyle = '#c9d3dc'; pen.lineWidth = 1.5 * ratio();
      pen.beginPath(); pen.moveTo(x - 5 * ratio(), head); pen.lineTo(x, head); pen.lineTo(x, foot); pen.lineTo(x - 5 * ratio(), foot); pen.stroke();
      pen.font = `${12 * ratio()}px system-ui, sans-serif`; pen.fillStyle = '#c9d3dc'; pen.textAlign = 'right';
      pen.fillText('5 cm', x - 8 * ratio(), (head + foot) / 2); pen.textAlign = 'left';
    }
  }
}

// Evidence under a point of the film, the smallest first.
function under(x, y) {
  if (!room.basis) return [];
  const found = [];
  for (const [id, item] of Object.entries(room.basis.evidence)) {
    if (!item.box || x < item.box[0] || x > item.box[2] || y < item.box[1] || y > item.box[3]) continue;
    if (item.kind !== 'detection' && item.kind !== 'region_mask') continue;
    if (item.outlines && item.outlines.length && !item.outlines.some((ring) => inside(x, y, ring))) continue;
    found.push([(item.box[2] - item.box[0]) * (item.box[3] - item.box[1]), id]);
  }
  return found.sort((one, other) => one[0] - other[0]).map(([, id]) => id);
}

function inside(x, y, ring) {
  let within = false;
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
    const [xi, yi] = ring[i], [xj, yj] = ring[j];
    if ((yi > y) !== (yj > y) && x < (xj - xi) * (y - yi) / (yj - yi) + xi) within = !within;
  }
  return within;
}

// The list of marks: regions, findings, measurements; how strongly they are drawn.
function listMarks() {
  const panel = find('.layers');
  panel.replaceChildren();
  const strength = make('label');
  const range = make('input');
  range.type = 'range'; range.min = 10; range.max = 100; range.value = Math.round(eye.opacity * 100);
  range.addEventListener('input', () => { eye.opacity = range.value / 100; paint(); });
  strength.append(make('span', '', 'Opacity'), range);
  panel.append(strength);
  if (!room.basis) { panel.append(make('p', 'quiet', 'The marks come with the draft.')); return; }
  const groups = { Findings: [], Measurements: [], Regions: [] };
  for (const [id, item] of Object.entries(room.basis.evidence)) {
    if (item.kind === 'detection') groups.Findings.push([id, `${item.title} ${share(item.probability)}${item.side ? `, ${item.side}` : ''}`, colourOf(item)]);
    else if (item.lines && item.lines.length) groups.Measurements.push([id, `${item.title} ${measured(item)}`, '#7ee0c3']);
    else if (item.outlines && item.outlines.length) groups.Regions.push([id, item.title, '#74c3ef']);
  }
  for (const [name, items] of Object.entries(groups)) {
    if (!items.length) continue;
    const head = make('h3', '', name);
    const every = button('all', () => toggle(items.map(([id]) => id)), 'chip');
    every.setAttribute('aria-label', `All ${name.toLowerCase()}`);
    head.append(' ', every);
    panel.append(head);
    for (const [id, text, colour] of items) {
      const line = make('label'), box = make('input'), dot = make('i');
      box.type = 'checkbox'; box.checked = Boolean(eye.marks[id]); box.dataset.mark = id;
      box.addEventListener('change', () => { eye.marks[id] = box.checked; paint(); });
      dot.style.background = colour;
      line.append(box, make('span', '', text), dot);
      panel.append(line);
    }
  }
}

function toggle(ids) {
  const on = !ids.every((id) => eye.marks[id]);
  for (const id of ids) eye.marks[id] = on;
  for (const box of all('[data-mark]')) box.checked = Boolean(eye.marks[box.dataset.mark]);
  paint();
}
