// The film: its grey values, the window, the views on it, and drawing. Zoom, place and window are
// shared by all views, so a prior follows the current film in everything.
const WINDOWS = { default: [0.5, 1.0], lung: [0.35, 0.7], mediastinum: [0.72, 0.56], bone: [0.7, 0.3] };
const MODES = ['off', 'beside', 'slider'];
const eye = { center: 0.5, width: 1, invert: false, zoom: 0, x: 0, y: 0, mode: 'off', seam: 0.5, shown: 'frontal', tool: 'window', marks: {}, opacity: 0.8, boxes: true, lines: true, sides: true };
const canvas = find('.stage canvas');
const pen = canvas.getContext('2d', { alpha: false });
const ratio = () => window.devicePixelRatio || 1;

// A film of the server's as grey values: one byte each, or twelve bits from red and green.
async function decode(film) {
  const picture = new Image();
  picture.src = film.picture;
  await picture.decode();
  const made = document.createElement('canvas');
  made.width = picture.naturalWidth; made.height = picture.naturalHeight;
  const own = made.getContext('2d', { willReadFrequently: true });
  own.drawImage(picture, 0, 0);
  const data = own.getImageData(0, 0, made.width, made.height).data;
  const grey = new Uint16Array(made.width * made.height);
  const deep = film.levels > 255;
  for (let place = 0, at = 0; place < grey.length; place++, at += 4) grey[place] = deep ? data[at] * 256 + data[at + 1] : data[at];
  const { picture: dropped, ...rest } = film;
  return { ...rest, grey, canvas: made, pen: own, key: '', pixels: new ImageData(made.width, made.height) };
}

// The film's canvas under the present window: a table from grey value to shade.
function windowed(film) {
  const key = `${eye.center}/${eye.width}/${eye.invert}`;
  if (film.key === key) return film.canvas;
  film.key = key;
  const table = new Uint32Array(film.levels + 1);
  const slope = 1 / Math.max(0.01, eye.width), low = eye.center - eye.width / 2;
  for (let grey = 0; grey <= film.levels; grey++) {
    let shade = Math.max(0, Math.min(255, Math.round(255 * slope * (grey / film.levels - low))));
    if (eye.invert) shade = 255 - shade;
    table[grey] = 0xff000000 | shade << 16 | shade << 8 | shade;
  }
  const target = new Uint32Array(film.pixels.data.buffer);
  for (let place = 0; place < target.length; place++) target[place] = table[film.grey[place]];
  film.pen.putImageData(film.pixels, 0, 0);
  return film.canvas;
}

// Where each film is drawn: its part of the canvas.
function views() {
  const { width, height } = canvas;
  if (!room.film) return [];
  const half = Math.floor(width / 2), first = { left: 0, width: half - 1 }, second = { left: half + 1, width: width - half - 1 };
  if (eye.mode === 'beside' && room.prior) return [{ ...first, film: room.prior, name: priorName() }, { ...second, film: room.film, name: 'Current' }];
  if (room.further && eye.shown === 'alone') return [{ film: room.further, left: 0, width, name: 'Not analysed' }];
  if (room.further && eye.shown === 'both') return [{ ...first, film: room.film, name: '' }, { ...second, film: room.further, name: 'Not analysed' }];
  return [{ film: room.film, left: 0, width, name: '' }];
}

// Film pixels to canvas pixels of a view. eye.x and eye.y are the film's middle, in shares of its size,
// eye.zoom is screen pixels per film pixel; a prior of another size is drawn to the same height.
function project(view) {
  const reference = room.film;
  const zoom = eye.zoom * reference.height / view.film.height;
  const left = view.left + view.width / 2 - eye.x * view.film.width * zoom;
  const top = canvas.height / 2 - eye.y * view.film.height * zoom;
  return { zoom, left, top, to: (x, y) => [left + x * zoom, top + y * zoom], from: (a, b) => [(a - left) / zoom, (b - top) / zoom] };
}

function fit() {
  const [view] = views();
  if (!view || !canvas.width) return;
  const sizes = views().map((one) => Math.min(one.width / (one.film.width * room.film.height / one.film.height), canvas.height / room.film.height));
  eye.zoom = Math.min(...sizes) * 0.985;
  eye.x = 0.5; eye.y = 0.5;
}

function oneToOne() {
  if (room.film) { eye.zoom = 1 / room.film.scale; eye.x = eye.x || 0.5; eye.y = eye.y || 0.5; }
}

let waiting = 0;
function paint() { if (!waiting) waiting = window.requestAnimationFrame(() => { waiting = 0; paintNow(); }); }

function paintNow() {
  const width = Math.round(canvas.clientWidth * ratio()), height = Math.round(canvas.clientHeight * ratio());
  if (canvas.width !== width || canvas.height !== height) {
    const fresh = !canvas.dataset.sized;
    canvas.width = width; canvas.height = height; canvas.dataset.sized = 'yes';
    if (room.film && (fresh || !eye.moved)) fit();
  }
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.fillStyle = '#000';
  pen.fillRect(0, 0, width, height);
  pen.imageSmoothingEnabled = true;
  pen.imageSmoothingQuality = 'high';
  for (const view of views()) {
    const at = project(view);
    pen.save();
    pen.beginPath(); pen.rect(view.left, 0, view.width, height); pen.clip();
    drawFilm(view.film, at);
    const current = view.film === room.film;
    if (current && eye.mode === 'slider' && room.prior) drawSeam(view, at);
    if (current) drawMarks(at, view);
    drawFrame(view, at);
    pen.restore();
  }
  foot();
}

function drawFilm(film, at) {
  pen.drawImage(windowed(film), at.left, at.top, film.width * at.zoom, film.height * at.zoom);
}

// The prior over the current film, left of the seam.
function drawSeam(view, at) {
  const seam = Math.round(at.left + eye.seam * room.film.width * at.zoom);
  pen.save();
  pen.beginPath(); pen.rect(view.left, 0, seam - view.left, canvas.height); pen.clip();
  pen.fillStyle = '#000'; pen.fillRect(view.left, 0, seam - view.left, canvas.height);
  drawFilm(room.prior, project({ ...view, film: room.prior }));
  pen.restore();
  pen.fillStyle = '#74c3ef';
  pen.fillRect(seam - ratio(), 0, 2 * ratio(), canvas.height);
}

function foot() {
  const film = room.film;
  find('.foot .window').textContent = film ? `W ${Math.round(eye.width * 100)}  L ${Math.round(eye.center * 100)}` : '';
  const size = film && film.scale < 1 ? `, shown from ${film.width} × ${film.height}` : '';
  find('.foot .scale').textContent = film ? `${Math.round(eye.zoom * film.scale * 100 / 1)} %${size}` : '';
}

const PROVENANCE = { calibrated: 'mm', detector: 'mm at the detector', detector_corrected: 'mm, corrected', assumed: 'mm, assumed' };
function lengthOf(x, y, film = room.film) {
  if (!film.spacing) return `${Math.round(Math.hypot(x, y))} px`;
  return `${Math.hypot(x * film.spacing.column, y * film.spacing.row).toFixed(1)} ${PROVENANCE[film.spacing.provenance] || 'mm'}`;
}

// What lies under the pointer: place in mm where known, else pixels, and the grey value.
function tellPlace(x, y, film = room.film) {
  const line = find('.foot .place');
  if (!film || x < 0 || y < 0 || x >= film.width || y >= film.height) { line.textContent = ''; return; }
  const across = Math.floor(x * film.scale), down = Math.floor(y * film.scale);
  const grey = film.grey[Math.min(film.grey.length - 1, down * film.canvas.width + across)];
  const place = film.spacing
    ? `x ${(x * film.spacing.column).toFixed(1)}  y ${(y * film.spacing.row).toFixed(1)} ${PROVENANCE[film.spacing.provenance] || 'mm'}`
    : `x ${Math.round(x)}  y ${Math.round(y)} px`;
  line.textContent = `${place}   grey ${(grey / film.levels).toFixed(3)}`;
}

async function showFilm(film) {
  room.film = await decode(film);
  room.prior = null; room.further = null; eye.mode = 'off'; eye.shown = 'frontal'; eye.moved = false; eye.ruler = null; eye.drawn = null; eye.marks = {};
  [eye.center, eye.width] = WINDOWS.default; eye.invert = false;
  canvas.dataset.sized = '';
  fit(); paint();
}
