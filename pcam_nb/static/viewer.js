// A slide that zooms, with its heatmap, regions, patches and corrections. Leaflet (L) is loaded by the page; all places are px of the slide
import {make, fixed, short, whole, save} from './tools.js'
import {findRegions, diameter, turbo} from './regions.js'

const MARKS = {'Tumor': ['tumour', [200, 0, 0]], 'Non-Tumor': ['no tumour', [30, 120, 60]], 'Ignore*': ['leave out', [110, 110, 110]]} // Classes as QuPath has them
const NUMBERS = 60, LISTED = 200
const still = matchMedia('(prefers-reduced-motion: reduce)')
const at = (x, y) => L.latLng(-y, x)
const long = um => um < 1000 ? `${whole(um)} µm` : `${(um / 1000).toFixed(2)} mm`

// Tiles are asked for with the headers of the page's own requests, and given up when they are out of sight
const Tiles = L.GridLayer.extend({
  createTile(coords, done) {
    const tile = make('canvas', {width: 256, height: 256}), stop = tile.stop = new AbortController()
    this.options.ask(`tiles/${this.options.levels - 1 + coords.z}/${coords.x}/${coords.y}`, {signal: stop.signal})
      .then(o => o.blob()).then(createImageBitmap).then(o => { tile.getContext('2d').drawImage(o, 0, 0); done(null, tile) }).catch(e => done(e, tile))
    return tile
  },
})
// A canvas of one px a window, in place on the slide
const Cells = L.ImageOverlay.extend({
  _initImage() {
    const o = this._image = this._url
    for (const k of ['leaflet-image-layer', 'leaflet-zoom-animated', 'viewer-cells']) L.DomUtil.addClass(o, k)
    this.setOpacity(this.options.opacity)
  },
})

export class Viewer {
  constructor(box, {ask, title, moved = () => {}, changed = () => {}}) {
    Object.assign(this, {box, ask, title, moved, changed, urls: [], layers: {}, features: [], selected: null, tool: null, points: []})
  }

  // Ask for what is there, and show it; `where` is what a link holds
  async open(where = {}) {
    const [about, windows] = await Promise.all([this.ask('view').then(o => o.json()), this.ask('windows').then(o => o.arrayBuffer())])
    Object.assign(this, {about, p: new Float32Array(windows), threshold: Number(where.t) || about.threshold})
    const [overview, places] = await Promise.all([about.overview && this.image('overview.jpg'), about.places.length && this.image('places.jpg').catch(() => null)])
    this.build(places)
    this.draw(overview)
    if (overview) this.overview(overview)
    this.rethink()
    this.go(where)
    this.scale()
    this.say(this.map.getCenter())
    this.map.on('moveend', () => this.map && this.moved(this.where()))
    if (document.activeElement === document.body) this.panel.focus({preventScroll: true}) // So that keys work at once
    this.box.dataset.ready = 'yes'
    return this
  }
  close() {
    this.sized?.disconnect()
    const map = this.map
    this.map = null
    map?.setMaxBounds(null) // Else its end would begin a move back into them
    map?.stop()
    if (map) setTimeout(() => map.remove(), 600) // Leaflet's animations end by themselves, and not without their map
    this.urls.forEach(URL.revokeObjectURL)
    this.box.replaceChildren()
    delete this.box.dataset.ready
  }
  async image(name) {
    const url = URL.createObjectURL(await (await this.ask(`image/${name}`)).blob())
    this.urls.push(url)
    return url
  }

  // The page: a map, and beside it what can be done
  build(places) {
    const {about} = this, check = (key, label, id) => make('label', {class: 'check'}, this[id] = make('input', {type: 'checkbox', 'data-layer': id, onchange: e => this.show(id, e.target.checked)}), make('span', {}, label, ' ', make('kbd', {text: key})))
    this.panel = make('div', {class: 'viewer-map', 'aria-label': `${about.name}, a slide that zooms`, role: 'application', 'aria-describedby': 'viewer-keys'})
    this.said = make('p', {class: 'viewer-here', 'aria-hidden': true})
    this.told = make('p', {class: 'viewer-told', role: 'status'})
    this.slider = make('input', {type: 'range', id: 'viewer-threshold', min: '0.001', max: '1', step: '0.001', oninput: e => this.rethink(Number(e.target.value))})
    this.number = make('input', {type: 'number', min: '0.0001', max: '1', step: 'any', 'aria-label': 'Threshold, as a number', onchange: e => e.target.value > 0 && e.target.value <= 1 && this.rethink(Number(e.target.value))})
    this.opacity = make('input', {type: 'range', min: '0', max: '1', step: '0.01', value: '0.5', 'aria-label': 'Opacity of the heatmap', oninput: e => this.layers.heat.setOpacity(Number(e.target.value))})
    this.rows = make('tbody')
    this.counted = make('p', {class: 'hint', role: 'status', id: 'viewer-count'})
    this.drawn = make('ul', {class: 'drawn'})
    const button = (text, key, run, attributes = {}) => make('button', {type: 'button', onclick: run, ...attributes}, text, ...key ? [' ', make('kbd', {text: key})] : [])
    this.measuring = button('Measure', 'm', () => this.take('measure'), {'aria-pressed': 'false'})
    this.drawing = button('Draw a region', 'd', () => this.take('draw'), {'aria-pressed': 'false'})
    this.kind = make('select', {'aria-label': 'What is drawn'}, ...Object.entries(MARKS).map(([k, [text]]) => make('option', {value: k, text})))
    const unusual = about.unusual ? ` (${about.unusual.length} found)` : ' (not known)'
    this.box.replaceChildren(make('div', {class: 'viewer'},
      make('div', {class: 'viewer-main'}, this.panel, this.said, this.told),
      make('div', {class: 'viewer-side'},
        ...about.notes.map(o => make('p', {class: 'note', text: `${o}.`})), ...about.missing ? [make('p', {class: 'note', text: `${about.missing}.`})] : [],
        make('fieldset', {}, make('legend', {text: 'Shown'}), check('h', 'Heatmap', 'heat'), this.opacity, make('p', {class: 'key'}, '0 ', make('span', {class: 'ramp'}), ' 1, probability of tumour'),
          check('r', 'Regions from the threshold on', 'regions'), check('p', 'Suspicious patches', 'places'),
          check('b', about.band ? `Indeterminate band, ${fixed(about.band[0], 2)}–${fixed(about.band[1], 2)}: refer to a pathologist` : 'Indeterminate band (the run has none)', 'band'),
          check('u', `Unlike the training patches${unusual}`, 'unusual'), make('p', {class: 'hint', id: 'viewer-compared', text: about.compared})),
        make('fieldset', {}, make('legend', {text: 'Threshold'}), make('label', {for: 'viewer-threshold', text: 'From this probability on a window is called tumour'}), this.slider, this.number,
          button(`As it was read: ${short(about.threshold)}`, '', () => this.rethink(about.threshold))),
        make('section', {}, make('h2', {text: 'Regions'}), this.counted, make('div', {class: 'scroll tall', tabindex: '0', role: 'region', 'aria-label': 'Regions'}, make('table', {class: 'regions'},
          make('thead', {}, make('tr', {}, ...['', 'mm²', 'Ø mm', 'largest p', 'correct to'].map(text => text ? make('th', {scope: 'col', text}) : make('th', {scope: 'col'}, make('span', {class: 'unseen', text: 'number'}))))), this.rows))),
        make('section', {}, make('h2', {text: 'Most suspicious patches'}), make('div', {class: 'patches', role: 'group', 'aria-label': 'Most suspicious patches'}, ...this.patches(places))),
        make('section', {}, make('h2', {text: 'Tools'}), make('div', {class: 'tools'}, this.measuring, button('Whole slide', '0', () => this.whole()), this.linking = button('Copy link', '', () => this.copy())),
          make('div', {class: 'tools'}, this.drawing, this.kind, button('Export corrections', '', () => this.download())),
          make('p', {class: 'hint', text: 'Corrections are areas in px of the slide, as QuPath reads them: Tumor, Non-Tumor, Ignore*. The file says that the rest of the slide was not looked at, so pcam_tiles cuts nothing there.'}), this.drawn),
        make('details', {}, make('summary', {text: 'How to read it'}), ...about.reading.map(text => make('p', {text}))),
        make('details', {}, make('summary', {text: 'About this result'}), make('div', {class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'About this result'}, make('table', {class: 'about'}, make('tbody', {}, ...about.table.map(([k, v]) => make('tr', {}, make('th', {scope: 'row', text: k}), make('td', {text: v}))))))),
        make('details', {}, make('summary', {text: 'Keys'}), make('p', {id: 'viewer-keys', text: 'With the slide in focus: arrows move, + and − zoom, 0 shows the whole slide, n and shift n go to the next and the previous region, h r p b u show and hide, [ and ] lower and raise the threshold, m measures and d draws: Enter sets a point in the middle or where the mouse is, Escape ends.'})))))
    if (!about.band) this.band.disabled = true
    if (!about.unusual) this.unusual.disabled = true
    if (!this.title) this.linking.hidden = true
  }
  patches(strip) {
    const image = strip && Object.assign(new Image(), {src: strip})
    return this.about.places.map((o, i) => {
      const canvas = make('canvas', {width: 96, height: 96})
      image?.addEventListener('load', () => canvas.getContext('2d').drawImage(image, 96 * i, 0, 96, 96, 0, 0, 96, 96))
      return make('button', {type: 'button', class: 'thumb', 'aria-pressed': 'false', 'data-x': o.x, 'data-y': o.y, title: o.says, onclick: e => this.place(o, e.currentTarget)}, canvas,
        make('span', {text: `${o.letter}: ${fixed(o.probability)}${o.says ? ' *' : ''}`}), make('small', {text: `${whole(o.x)}, ${whole(o.y)}`}))
    })
  }

  // The map and its layers
  draw(overview) {
    const {about, panel} = this, [w, h] = about.size, g = about.grid, n = about.tiles?.levels
    this.bounds = L.latLngBounds(at(0, h), at(w, 0))
    this.map = L.map(panel, {crs: L.CRS.Simple, attributionControl: false, zoomSnap: .25, wheelPxPerZoomLevel: 90, maxZoom: 3, minZoom: -Math.ceil(Math.log2(Math.max(w, h) / 128)), maxBoundsViscosity: .8,
      maxBounds: this.bounds.pad(.5), zoomAnimation: !still.matches, fadeAnimation: !still.matches, inertia: !still.matches, keyboardPanDelta: 120, preferCanvas: true, doubleClickZoom: false})
    this.whole()
    this.map.createPane('under').style.zIndex = 150 // Below the tiles
    if (overview) { const [a, b, c, d] = about.overview; L.imageOverlay(overview, [at(a, d), at(c, b)], {alt: '', pane: 'under'}).addTo(this.map) }
    if (n) new Tiles({ask: this.ask, levels: n, minZoom: about.tiles.least - n + 1, minNativeZoom: about.tiles.least - n + 1, maxNativeZoom: 0, maxZoom: 3, bounds: this.bounds, noWrap: true, keepBuffer: 1, updateWhenZooming: false})
      .on('tileunload', e => e.tile.stop.abort()).addTo(this.map)
    const cells = (paint, opacity) => new Cells(this.cells(paint), [at(g.x, g.y + g.rows * g.dy), at(g.x + g.cols * g.dx, g.y)], {opacity})
    const table = Array.from({length: 256}, (_, i) => turbo(i / 255))
    this.layers.heat = cells(v => [...table[Math.round(255 * v)], 255 * (.15 + .85 * v)], .5)
    this.layers.band = cells(v => about.band && v >= about.band[0] && v < about.band[1] ? [255, 190, 0, 255] : null, .45)
    this.layers.unusual = L.layerGroup((about.unusual || []).map(o => L.rectangle([at(o.x, o.y + o.height), at(o.x + o.width, o.y)], {color: '#d4009a', weight: 2, dashArray: '5 4', fill: true, fillOpacity: .08})
      .bindTooltip(`Unlike the training patches: ${o.says}`)))
    this.layers.places = L.layerGroup(about.places.map((o, i) => L.marker(at(o.x, o.y), {keyboard: false, icon: L.divIcon({className: 'viewer-number', html: `<b class="viewer-letter">${o.letter}</b>`, iconSize: [0, 0]}), title: `Patch ${o.letter}`})
      .on('click', () => this.place(o, this.box.querySelectorAll('.patches button')[i]))))
    this.layers.regions = L.layerGroup()
    this.corrections = L.layerGroup().addTo(this.map)
    this.marked = L.layerGroup().addTo(this.map)
    this.map.on('click', e => this.tool ? this.point(e.latlng) : this.pick(e.latlng)).on('mousemove', e => { this.mouse = e.latlng; this.say(e.latlng); this.stretch(e.latlng) })
      .on('move zoomend', () => { if (!this.map) return; this.frame(); this.scale(); if (!this.mouse) this.say(this.map.getCenter()) })
    this.bar = make('span')
    panel.append(make('div', {class: 'viewer-bar', 'aria-hidden': true}, this.bar), make('div', {class: 'viewer-cross', 'aria-hidden': true}))
    panel.addEventListener('keydown', e => this.key(e))
    panel.addEventListener('mouseleave', () => { this.mouse = null })
    for (const o of ['heat', 'regions', 'places']) this.show(o, true)
    this.sized = new ResizeObserver(() => this.map.invalidateSize({pan: false}))
    this.sized.observe(panel)
  }
  cells(paint) {
    const {cols, rows} = this.about.grid, canvas = make('canvas', {width: cols, height: rows}), x = canvas.getContext('2d'), data = x.createImageData(cols, rows)
    this.p.forEach((v, i) => { const o = v >= 0 && paint(v); if (o) data.data.set(o, 4 * i) })
    x.putImageData(data, 0, 0)
    return canvas
  }
  show(name, on) {
    this[name].checked = on
    on ? this.layers[name].addTo(this.map) : this.layers[name].remove()
    if (name === 'heat' && on) this.layers.heat.setOpacity(Number(this.opacity.value))
  }

  // Regions from a threshold on
  rethink(t = this.threshold) {
    const g = this.about.grid, mpp = this.about.mpp
    this.threshold = t
    this.slider.value = t
    this.number.value = short(t)
    Object.assign(this, findRegions(this.p, g.rows, g.cols, t))
    this.found.forEach((o, i) => {
      o.number = i + 1
      o.x = g.x + (o.best % g.cols + .5) * g.dx
      o.y = g.y + (Math.floor(o.best / g.cols) + .5) * g.dy
      o.mm2 = o.n * this.about.window_mm2
      o.outline = o.corners.map(r => r.map(([c, r]) => [g.x + c * g.dx, g.y + r * g.dy]))
    })
    this.layers.regions.clearLayers().addLayer(L.polyline(this.found.flatMap(o => o.outline.map(r => [...r, r[0]].map(q => at(...q)))), {color: '#000', weight: 2, smoothFactor: 0, interactive: false}))
    for (const o of this.found.slice(0, NUMBERS)) this.layers.regions.addLayer(L.marker(at(o.x, o.y), {keyboard: false, title: `Region ${o.number}`, icon: L.divIcon({className: 'viewer-number', html: `<b>${o.number}</b>`, iconSize: [0, 0]})}).on('click', () => this.region(o)))
    const area = this.found.reduce((sum, o) => sum + o.mm2, 0)
    this.counted.textContent = this.found.length ? `${whole(this.found.length)} region${this.found.length > 1 ? 's' : ''}, ${fixed(area, 3)} mm² from ${short(t)} on${this.found.length > LISTED ? `; the largest ${LISTED} are listed` : ''}` : `No window reaches ${short(t)}: no tumour in the centre of any`
    this.rows.replaceChildren(...this.found.slice(0, LISTED).map(o => {
      const mark = make('select', {'aria-label': `Correct region ${o.number} to`, onchange: e => this.correct(o, e.target.value)}, make('option', {value: '', text: '–'}), ...Object.entries(MARKS).map(([k, [text]]) => make('option', {value: k, text})))
      mark.value = this.features.find(f => f.properties.metadata.window === String(o.best))?.properties.classification.name || ''
      const wide = diameter(o.outline.flat().map(([x, y]) => [x * mpp[0] / 1000, y * mpp[1] / 1000]))
      return o.row = make('tr', {'data-region': o.number}, make('td', {}, make('button', {type: 'button', text: o.number, 'aria-label': `Go to region ${o.number}`, onclick: () => this.region(o)})), make('td', {text: fixed(o.mm2, 4)}), make('td', {text: fixed(wide)}), make('td', {text: fixed(o.max)}), make('td', {}, mark))
    }))
    this.select(null)
    if (this.box.dataset.ready) this.moved(this.where())
  }
  select(o) {
    this.selected?.row?.removeAttribute('aria-selected')
    this.selected = o
    this.marked.clearLayers()
    if (!o) return
    o.row?.setAttribute('aria-selected', 'true')
    o.row?.scrollIntoView({block: 'nearest'})
    this.marked.addLayer(L.polyline(o.outline.map(r => [...r, r[0]].map(q => at(...q))), {color: '#fff', weight: 4, dashArray: '6 6', smoothFactor: 0, interactive: false}))
    this.told.textContent = `Region ${o.number}: ${fixed(o.mm2, 4)} mm², largest probability ${fixed(o.max)}, at ${whole(o.x)}, ${whole(o.y)}`
  }
  region(o) { this.select(o); this.fly(o.x, o.y) }
  pick(place) { // What lies under a click
    const i = this.window(place), o = i === null ? null : this.found[this.found.findIndex(o => o.label === this.labels[i])]
    this.select(o || null)
  }
  place(o, button) {
    for (const b of this.box.querySelectorAll('.patches button')) b.setAttribute('aria-pressed', b === button)
    this.select(null)
    const [sx, sy] = this.about.grid.side, square = (k, style) => L.rectangle([at(o.x - k * sx / 2, o.y + k * sy / 2), at(o.x + k * sx / 2, o.y - k * sy / 2)], {fill: false, interactive: false, ...style})
    for (const k of [1, 1 / 3]) { this.marked.addLayer(square(k, {color: '#000', weight: 4})); this.marked.addLayer(square(k, {color: '#fff', weight: 2})) }
    this.told.textContent = `Patch ${o.letter}: probability ${fixed(o.probability)}, at ${whole(o.x)}, ${whole(o.y)}${o.says ? `. Unlike the training patches: ${o.says}` : ''}`
    this.fly(o.x, o.y)
  }
  next(by) {
    if (this.found.length) this.region(this.found[((this.selected ? this.selected.number - 1 + by : by > 0 ? 0 : -1) + this.found.length) % this.found.length])
  }

  // Where it is
  fly(x, y, z = 0) { still.matches ? this.map.setView(at(x, y), z, {animate: false}) : this.map.flyTo(at(x, y), z, {duration: .7}) }
  whole() { this.map.fitBounds(this.bounds, {animate: false}) }
  where() {
    const c = this.map.getCenter()
    return {x: Math.round(c.lng), y: Math.round(-c.lat), z: Number(this.map.getZoom().toFixed(2)), t: short(this.threshold), l: ['heat', 'regions', 'places', 'band', 'unusual'].filter(o => this[o].checked).map(o => o[0]).join('') || '-'}
  }
  go({x, y, z, l}) {
    if (l) for (const o of ['heat', 'regions', 'places', 'band', 'unusual']) this.show(o, l.includes(o[0]) && !this[o].disabled)
    if ([x, y, z].every(o => Number.isFinite(Number(o)) && o !== undefined && o !== '')) this.map.setView(at(Number(x), Number(y)), Number(z), {animate: false})
  }
  copy() {
    this.moved(this.where())
    navigator.clipboard.writeText(location.href).then(() => { this.told.textContent = 'The link to this place is copied' }, () => { this.told.textContent = location.href })
  }
  window(place) { // The window whose square has a place
    const g = this.about.grid, c = Math.floor((place.lng - g.x) / g.dx), r = Math.floor((-place.lat - g.y) / g.dy)
    return c >= 0 && r >= 0 && c < g.cols && r < g.rows ? r * g.cols + c : null
  }
  say(place) {
    const um = this.about.mpp[0] / 2 ** this.map.getZoom(), v = this.p[this.window(place)]
    this.said.textContent = `x ${whole(place.lng)}, y ${whole(-place.lat)} px · ${um < 10 ? um.toFixed(2) : um.toFixed(0)} µm per px of the screen, about ${(10 / um).toFixed(um > 10 ? 2 : 1)}× · ${v >= 0 ? `probability ${fixed(v)}` : 'not scored'}`
  }
  scale() {
    const um = this.about.mpp[0] / 2 ** this.map.getZoom(), n = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000].findLast(o => o / um <= 140) || 1
    this.bar.style.width = `${n / um}px`
    this.bar.textContent = n < 1000 ? `${n} µm` : `${n / 1000} mm`
    this.bar.dataset.um = n
  }
  overview(src) { // A small map of the whole, whose frame is what is in sight
    const [a, b, c, d] = this.about.overview, image = make('img', {src, alt: ''}), frame = make('div')
    const box = make('div', {class: 'viewer-small', 'aria-hidden': true}, image, frame)
    this.frame = () => {
      const o = this.map.getBounds(), part = (v, low, high) => Math.min(Math.max((v - low) / (high - low), 0), 1)
      const [l, r, t, u] = [part(o.getWest(), a, c), part(o.getEast(), a, c), part(-o.getNorth(), b, d), part(-o.getSouth(), b, d)]
      Object.assign(frame.style, {left: `${100 * l}%`, top: `${100 * t}%`, width: `${100 * (r - l)}%`, height: `${100 * (u - t)}%`})
    }
    const go = e => { const o = box.getBoundingClientRect(); this.map.panTo(at(a + (e.clientX - o.left) / o.width * (c - a), b + (e.clientY - o.top) / o.height * (d - b)), {animate: false}) }
    box.addEventListener('pointerdown', e => { box.setPointerCapture(e.pointerId); go(e) })
    box.addEventListener('pointermove', e => { if (box.hasPointerCapture(e.pointerId)) go(e) })
    L.DomEvent.disableClickPropagation(box)
    L.DomEvent.disableScrollPropagation(box)
    const wide = Math.min(150, 190 * (c - a) / (d - b)) * (innerWidth < 600 ? .6 : 1)
    Object.assign(box.style, {width: `${wide}px`, height: `${wide * (d - b) / (c - a)}px`})
    this.panel.append(box)
    this.frame()
  }
  frame() {}

  // Keys and tools
  key(e) {
    if (e.ctrlKey || e.metaKey || e.altKey || e.target !== this.panel) return
    const layer = {h: 'heat', r: 'regions', p: 'places', b: 'band', u: 'unusual'}[e.key]
    const deed = {0: () => this.whole(), n: () => this.next(1), N: () => this.next(-1), m: () => this.take('measure'), d: () => this.take('draw'), Enter: () => this.tool && this.point(this.mouse || this.map.getCenter()), Escape: () => this.take(null),
      '[': () => this.rethink(Math.max(this.threshold - .05, .001)), ']': () => this.rethink(Math.min(this.threshold + .05, 1))}[e.key]
    if (layer && !this[layer].disabled) this.show(layer, !this[layer].checked)
    else if (deed) deed()
    else return
    e.preventDefault()
  }
  take(tool) { // The same again ends it
    const ended = this.tool
    if (ended === 'draw' && this.points.length > 2 && tool !== null) this.keep()
    this.tool = tool === ended ? null : tool
    this.points = []
    this.line?.remove()
    this.line = null
    this.measuring.setAttribute('aria-pressed', this.tool === 'measure')
    this.drawing.setAttribute('aria-pressed', this.tool === 'draw')
    this.panel.classList.toggle('tool', !!this.tool)
    this.told.textContent = {measure: 'Measure: set two points, by click, or by Enter in the middle', draw: 'Draw: set the corners, and press the button again to close the region'}[this.tool] || (ended ? this.told.textContent : '')
  }
  point(place) {
    this.points.push(place)
    this.stretch(place)
    if (this.tool === 'measure' && this.points.length === 2) this.measured()
  }
  stretch(place) {
    if (!this.points.length) return
    const line = [...this.points, place]
    this.line ||= L.polyline(line, {color: '#0b57d0', weight: 3, interactive: false}).addTo(this.map)
    this.line.setLatLngs(line)
    if (this.tool === 'measure') this.told.textContent = long(this.distance(this.points[0], place))
  }
  distance(a, b) { return Math.hypot((a.lng - b.lng) * this.about.mpp[0], (a.lat - b.lat) * this.about.mpp[1]) }
  measured() {
    const [a, b] = this.points, um = this.distance(a, b), text = long(um)
    this.take(null)
    this.marked.clearLayers()
    this.marked.addLayer(L.polyline([a, b], {color: '#0b57d0', weight: 3, interactive: false}))
    this.marked.addLayer(L.marker(b, {keyboard: false, interactive: false, icon: L.divIcon({className: 'viewer-number', html: `<b class="viewer-length">${text}</b>`, iconSize: [0, 0]})}))
    this.told.textContent = `Measured: ${text}`
    this.told.dataset.um = um
  }

  // Corrections: GeoJSON features, as QuPath has them
  feature(rings, kind, name, window = '') {
    const closed = rings.map(r => [...r, r[0]].map(q => q.map(v => Number(v.toFixed(2)))))
    return {type: 'Feature', geometry: {type: 'Polygon', coordinates: closed}, properties: {objectType: 'annotation', name, classification: {name: kind, color: MARKS[kind][1]}, metadata: {window: String(window), threshold: window === '' ? '' : short(this.threshold), extent: 'corrections only'}}}
  }
  correct(o, kind) {
    this.features = this.features.filter(f => f.properties.metadata.window !== String(o.best))
    if (kind) this.features.push(this.feature(o.outline, kind, `Region ${o.number}`, o.best))
    this.corrected()
  }
  keep() { this.features.push(this.feature([this.points.map(o => [o.lng, -o.lat])], this.kind.value, `Drawn ${1 + this.features.filter(f => f.properties.name.startsWith('Drawn')).length}`)); this.corrected() }
  load(features) { this.features = features; this.corrected(false); this.rethink() }
  corrected(tell = true) {
    this.corrections.clearLayers()
    for (const f of this.features) {
      const [text, colour] = MARKS[f.properties.classification.name], css = `rgb(${colour})`
      this.corrections.addLayer(L.polygon(f.geometry.coordinates.map(r => r.map(q => at(...q))), {color: css, weight: 3, fillOpacity: .15, smoothFactor: 0, interactive: false}))
    }
    this.drawn.replaceChildren(...this.features.map(f => {
      const [x, y] = f.geometry.coordinates[0][0], [text] = MARKS[f.properties.classification.name]
      return make('li', {}, make('button', {type: 'button', class: 'plain', text: `${f.properties.name}: ${text}`, onclick: () => this.fly(x, y, Math.min(0, this.map.getMaxZoom()))}),
        make('button', {type: 'button', text: 'Remove', 'aria-label': `Remove the correction ${f.properties.name}`, onclick: () => { this.features = this.features.filter(o => o !== f); this.corrected(); this.rethink() }}))
    }))
    if (tell) this.changed(this.features)
  }
  download() {
    if (!this.features.length) { this.told.textContent = 'There is no correction yet: choose a class for a region, or draw one'; return }
    save(new Blob([JSON.stringify({type: 'FeatureCollection', features: this.features})], {type: 'application/geo+json'}), `${this.about.name.replace(/\.[^.]*$/, '')}.geojson`)
  }
}
