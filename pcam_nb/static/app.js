// The page of pcam_app. It asks the interface that programs ask; every answer belongs to this tab's session.
import {$, make, fixed, short, save, wait, countOf, asking} from './tools.js'
import {Viewer} from './viewer.js'

let run = null
const kept = (key, make) => { try { return sessionStorage[key] ||= make() } catch { return make() } } // A page in a frame may not keep anything
const session = kept('session', () => [...crypto.getRandomValues(new Uint8Array(24))].map(o => o.toString(16).padStart(2, '0')).join(''))
const percent = p => p < .001 ? 'below 0.1 %' : p > .999 ? 'above 99.9 %' : `${(100 * p).toFixed(1)} %`
// The indeterminate band, null where it can't be demonstrated or is empty
const edges = () => run.band.edges
const refers = p => { const b = edges(); return b !== null && b[0] <= p && p < b[1] }
const ask = (path, options = {}) => asking(path, {...options, headers: {'X-Session': session}})
const query = o => '?' + new URLSearchParams(Object.entries({...o, run: run.run}).filter(([, v]) => v !== null && v !== ''))
function tooLarge(files, what) {
  const n = files.reduce((sum, o) => sum + o.size, 0), most = run.max_bytes[what]
  if (n > most) throw new Error(`${(n / 2 ** 20).toFixed(0)} MB are more than the ${(most / 2 ** 20).toFixed(0)} MB that this server takes`)
}
// Tabs
const tabs = [...document.querySelectorAll('[role=tab]')]
function open(tab, focus = false) {
  for (const o of tabs) {
    const on = o === tab
    o.setAttribute('aria-selected', on)
    o.tabIndex = on ? 0 : -1
    $(o.getAttribute('aria-controls')).hidden = !on
  }
  document.body.classList.toggle('wide', tab.id === 'tab-slide')
  if (focus) tab.focus()
}
for (const [i, tab] of tabs.entries()) {
  tab.addEventListener('click', () => open(tab))
  tab.addEventListener('keydown', e => {
    const to = {ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: -1}[e.key]
    if (to !== undefined) { e.preventDefault(); open(tabs.at(to % tabs.length), true) }
  })
}
const isOpen = name => !$(name).hidden

// Choosing files: by the control, by dropping, and by pasting into the open tab
function takeFiles(name, take) {
  const box = $(`${name}-drop`), input = $(`${name}-file`)
  input.addEventListener('change', () => { if (input.files.length) take([...input.files]) })
  input.addEventListener('cancel', e => e.stopPropagation())
  for (const kind of ['dragover', 'dragenter']) box.addEventListener(kind, e => { e.preventDefault(); box.classList.add('over') })
  for (const kind of ['dragleave', 'drop']) box.addEventListener(kind, () => box.classList.remove('over'))
  box.addEventListener('drop', e => { e.preventDefault(); input.value = ''; if (e.dataTransfer.files.length) take([...e.dataTransfer.files]) })
  document.addEventListener('paste', e => { if (isOpen(name) && e.clipboardData.files.length) { input.value = ''; take([...e.clipboardData.files]) } })
}
for (const kind of ['dragover', 'drop']) document.addEventListener(kind, e => e.preventDefault()) // A file beside the box doesn't replace the page

// The threshold: a slider, a number, and the thresholds that the validation patches support
function thresholdControl(name, changed) {
  const box = $(`${name}-threshold`), id = o => `${name}-${o}`
  const slider = make('input', {type: 'range', id: id('slider'), min: '0.0001', max: '1', step: '0.0001'})
  const number = make('input', {type: 'number', id: id('number'), min: '0.0001', max: '1', step: 'any', 'aria-label': 'Threshold, as a number'})
  const choices = run.thresholds.map((o, i) => make('input', {type: 'radio', name: id('choice'), id: id(`choice-${i}`), value: o.value}))
  let value = run.threshold
  const show = () => {
    slider.value = value
    number.value = short(value)
    choices.forEach(o => { o.checked = Number(o.value) === value })
  }
  const set = v => {
    if (!(v > 0 && v <= 1)) return show()
    value = v
    show()
    changed()
  }
  slider.addEventListener('input', () => set(Number(slider.value)))
  number.addEventListener('change', () => set(Number(number.value)))
  choices.forEach(o => o.addEventListener('change', () => set(Number(o.value))))
  box.append(make('fieldset', {}, make('legend', {text: 'Threshold'}),
    make('label', {for: id('slider'), text: 'From this probability on a patch is called tumour'}), slider, number,
    make('p', {class: 'hint', text: `Chosen on the validation patches. Target sensitivities: ${run.target_basis}. They hold for patches like these, with 95 % confidence.`}),
    ...choices.map((o, i) => { const l = make('label', {}, o, ` ${short(run.thresholds[i].value)}: ${run.thresholds[i].name}`); return l })))
  show()
  return () => value
}

// Which model has answered, where there are several
const by = seen => run.runs.length > 1 && seen.model ? [make('p', {class: 'hint by', text: `By ${seen.model}`})] : []
// What is said of one patch
function verdict(seen, threshold) {
  const p = seen.probability, tumour = p >= threshold, b = edges()
  const varies = seen.std === null ? '' : ` · standard deviation over flips and rotations ${fixed(seen.std)}`
  const refer = refers(p) ? make('p', {class: 'refer'}, make('strong', {text: 'Refer to a pathologist. '}), `It lies in the indeterminate band, ${fixed(b[0])} to ${fixed(b[1])}, where no call keeps both a sensitivity and a specificity of ${run.band.target}.`)
    : make('p', {text: b === null ? `${run.band.text}.` : `Outside the indeterminate band.${threshold < b[0] || threshold > b[1] ? ' So is the threshold, which decides against one of the two targets.' : ''}`})
  return make('div', {class: `verdict${tumour ? ' tumour' : ''}`},
    make('p', {class: 'call'}, make('strong', {text: tumour ? 'Tumour in the centre' : 'No tumour in the centre'}), ` ${tumour ? 'at or above' : 'below'} the threshold ${short(threshold)}`),
    make('p', {class: 'big', text: percent(p)}), make('p', {text: `probability of tumour in the centre${varies}`}), scale(p, threshold), refer,
    make('p', {class: seen.unusual ? 'refer' : null, id: 'compared', text: seen.compared}), ...by(seen))
}
function scale(p, threshold) {
  const b = edges(), at = v => 10 + 480 * v, inside = v => at(Math.min(Math.max(v, .1), .9))
  return make('svg', {viewBox: '0 0 500 72', class: 'scale', role: 'img',
    'aria-label': `Probability ${fixed(p)}, threshold ${short(threshold)}, ${b === null ? 'no indeterminate band' : `indeterminate band from ${fixed(b[0])} to ${fixed(b[1])}`}`},
    make('rect', {x: 10, y: 30, width: 480, height: 10, rx: 5, class: 'rail'}), ...b === null ? [] : [make('rect', {x: at(b[0]), y: 30, width: 480 * (b[1] - b[0]), height: 10, class: 'band'})],
    ...run.thresholds.map(o => make('path', {d: `M${at(o.value)} 26v18`, class: 'tick'}, make('title', {text: `${o.name}: ${short(o.value)}`}))),
    make('path', {d: `M${at(threshold)} 46l-6 10h12z`, class: 'point'}), make('text', {x: inside(threshold), y: 69, text: 'threshold'}),
    make('circle', {cx: at(p), cy: 35, r: 9, class: 'dot'}), make('text', {x: inside(p), y: 17, text: percent(p)}))
}

// A tab that asks: whatever it showed before goes as soon as there is another input, or an error
class Asking {
  constructor(name) { this.name = name; this.now = null }
  begin() {
    this.now?.abort()
    this.now = new AbortController()
    this.clear()
    return this.now
  }
  clear() { $(`${this.name}-error`).hidden = true }
  fail(e, now) {
    if (e.name === 'AbortError' || this.now !== now) return
    this.clear()
    const o = $(`${this.name}-error`)
    o.textContent = e.message
    o.hidden = false
  }
}

class Patch extends Asking {
  constructor() {
    super('patch')
    this.file = this.seen = null
    this.threshold = thresholdControl('patch', () => this.show())
    takeFiles('patch', files => this.look(files[0]))
    $('patch-resize').addEventListener('change', () => this.look(this.file))
    run.attribution.forEach((o, i) => {
      const radio = make('input', {type: 'radio', name: 'method', value: o, onchange: () => this.look(this.file)})
      radio.checked = !i
      $('methods').append(make('label', {}, radio, ` ${o}`))
    })
    for (const o of run.examples) {
      const url = `examples/${encodeURIComponent(o)}`, label = o.replace('.png', '').replace('normal', 'no tumour').replace('only in context', 'in the context')
      $('examples').append(make('button', {class: 'thumb', onclick: () => this.example(url, o)}, make('img', {src: url, alt: ''}), make('span', {text: label})))
    }
    this.clear()
  }
  clear() {
    super.clear()
    this.seen = null
    $('patch-said').replaceChildren(make('p', {text: this.file ? 'The network is looking at it …' : 'The verdict appears here.'}))
    $('patch-views').replaceChildren()
  }
  async example(url, name) {
    $('patch-file').value = ''
    this.file = null
    const now = this.begin()
    try {
      const blob = await (await ask(url, {signal: now.signal})).blob()
      if (this.now === now) this.look(new File([blob], name))
    } catch (e) { this.fail(e, now) }
  }
  async look(file) {
    this.file = file
    const now = this.begin()
    if (!file) return
    try {
      tooLarge([file], 'patch')
      const body = new FormData()
      body.append('file', file, file.name)
      const how = query({images: true, resize: $('patch-resize').checked, attribution: document.querySelector('[name=method]:checked').value})
      const seen = await (await ask(`api/patch${how}`, {method: 'POST', body, signal: now.signal})).json()
      if (this.now !== now) return
      this.seen = seen
      this.show()
    } catch (e) { this.file = this.now === now ? null : this.file; this.fail(e, now) }
  }
  fail(e, now) {
    super.fail(e, now)
    if (this.now === now) $('patch-said').replaceChildren()
  }
  show() {
    if (!this.seen) return
    $('patch-said').replaceChildren(verdict(this.seen, this.threshold()))
    const shown = {patch: 'What the label looks at: the centre', attribution: 'Attribution'}
    if (!$('patch-views').children.length) $('patch-views').append(...Object.entries(this.seen.images).map(([k, src]) =>
      make('figure', {}, make('figcaption', {text: shown[k]}), make('img', {src, alt: k === 'patch' ? 'The patch, its centre outlined' : 'The patch with the attribution map over it', id: `view-${k}`}))))
  }
}

const duration = s => s < 1 ? 'less than a second' : s < 90 ? `${Math.round(s)} s` : s < 5400 ? `${Math.round(s / 60)} min` : `${(s / 3600).toFixed(1)} h`

class Slide extends Asking {
  constructor() {
    super('slide')
    this.file = this.id = this.viewer = this.shown = null
    this.threshold = thresholdControl('slide', () => {})
    takeFiles('slide', files => this.choose(files[0]))
    for (const o of ['slide-mpp', 'slide-stride']) $(o).addEventListener('input', () => this.begin()) // What was read, or is, is of another size
    $('slide-start').addEventListener('click', () => this.read())
    $('slide-cancel').addEventListener('click', () => { this.begin(); $('slide-hint').textContent = 'Cancelled.' })
    $('slide-zip').addEventListener('click', () => this.download('zip', `${this.shown.name.replace(/\.[^.]*$/, '')}.zip`))
    addEventListener('pagehide', () => this.forget())
    setInterval(() => this.earlier().catch(() => {}), 60000) // Which keeps them
    this.clear()
    this.earlier().catch(() => {})
  }
  begin() { this.forget(); return super.begin() }
  forget() { // The server ends what nobody waits for; what is done stays at hand
    if (this.id) fetch(`api/slides/${this.id}`, {method: 'DELETE', headers: {'X-Session': session}, keepalive: true}).catch(() => {})
    this.id = null
  }
  clear() {
    super.clear()
    $('slide-progress').hidden = $('slide-found').hidden = true
    $('slide-hint').hidden = false
    $('slide-hint').textContent = 'The slide with its heatmap appears below.'
    $('files').replaceChildren()
    this.viewer?.close()
    this.viewer = this.shown = null
    this.mark()
    $('slide-inputs').open = true
    $('slide-start').disabled = false
  }
  choose(file) {
    this.file = file
    this.begin()
    $('slide-name').textContent = `${file.name}, ${(file.size / 2 ** 20).toFixed(1)} MB`
  }
  mpp() {
    const text = $('slide-mpp').value.trim().replace(',', '.')
    if (text && !(Number(text) > 0)) throw new Error(`µm per px is “${text}”: give a number, for example 0.25`)
    return text
  }
  async read() {
    const now = this.begin()
    try {
      if (!this.file) throw new Error('Choose a file first')
      tooLarge([this.file], 'slides')
      const how = query({name: this.file.name, mpp: this.mpp(), stride: $('slide-stride').value, threshold: this.threshold()})
      $('slide-start').disabled = true
      this.progress('Uploading …')
      let job = await (await ask(`api/slides${how}`, {method: 'POST', body: this.file, signal: now.signal})).json()
      if (this.now !== now) return fetch(`api/slides/${job.id}`, {method: 'DELETE', headers: {'X-Session': session}}) // Cancelled as it arrived
      this.id = job.id
      while (['waiting', 'working'].includes(job.state)) {
        this.progress(this.says(job), job.done, job.windows)
        await wait(500)
        job = await (await ask(`api/slides/${job.id}`, {signal: now.signal})).json()
      }
      if (job.state !== 'done') throw new Error(job.error || 'The server has ended the work')
      if (this.now === now) this.id = null
      await this.show(job, now)
    } catch (e) { this.fail(e, now) }
  }
  says(job) {
    if (job.state === 'waiting') return job.ahead ? `Waiting: ${job.ahead} before it` : 'Waiting for its turn'
    if (job.windows === null) return 'Looking for tissue …'
    if (job.done >= job.windows) return 'Finding regions …'
    return `${job.done.toLocaleString('en')} of ${countOf(job.windows, 'window')} · about ${duration(job.seconds_left)} left`
  }
  progress(text, done = null, total = null) {
    $('slide-hint').hidden = true
    $('slide-progress').hidden = false
    if ($('slide-state').textContent !== text) $('slide-state').textContent = text
    total ? ($('slide-bar').max = total, $('slide-bar').value = done) : $('slide-bar').removeAttribute('value')
  }
  async show(job, now) {
    $('slide-progress').hidden = $('slide-hint').hidden = true
    $('slide-found').hidden = $('slide-start').disabled = $('slide-inputs').open = false
    const viewer = new Viewer($('slide-viewer'), {ask: (path, options) => ask(`api/slides/${job.id}/${path}`, options)})
    this.viewer = viewer
    this.shown = job
    $('slide-title').textContent = job.name
    for (const o of job.files) $('files').append(make('li', {}, make('button', {text: o, onclick: () => this.download(`files/${encodeURIComponent(o)}`, o)})))
    await viewer.open()
    if (this.now !== now) viewer.close()
    else await this.earlier()
  }
  // Results of this session, which can be opened again
  async earlier() {
    const jobs = (await (await ask('api/slides')).json()).filter(o => o.state === 'done').reverse()
    $('slide-earlier').hidden = !jobs.length
    $('earlier').replaceChildren(...jobs.map(o => make('li', {}, make('button', {text: run.runs.length > 1 ? `${o.name} (${o.run})` : o.name, 'data-id': o.id, onclick: () => this.again(o.id)}))))
    this.mark()
  }
  mark() { for (const o of $('earlier').querySelectorAll('button')) o.setAttribute('aria-pressed', o.dataset.id === this.shown?.id) }
  async again(id) {
    const now = this.begin()
    try { await this.show(await (await ask(`api/slides/${id}`, {signal: now.signal})).json(), now) }
    catch (e) { this.fail(e, now); this.earlier().catch(() => {}) }
  }
  async download(path, name) {
    try { save(await (await ask(`api/slides/${this.shown.id}/${path}`)).blob(), name) }
    catch (e) { $('slide-error').textContent = e.message; $('slide-error').hidden = false }
  }
}

// Ids that a spreadsheet would take for formulas begin with an apostrophe, as pcam_predict writes them
const cell = s => { s = /^[=+\-@\t\r]/.test(s) ? `'${s}` : s; return /[",\n\r]/.test(s) ? `"${s.replaceAll('"', '""')}"` : s }

class Batch extends Asking {
  constructor() {
    super('batch')
    this.files = []
    this.seen = null
    this.threshold = thresholdControl('batch', () => this.show())
    $('batch-limit').textContent = `At most ${run.max_files} at a time`
    takeFiles('batch', files => this.choose(files))
    $('batch-resize').addEventListener('change', () => this.begin())
    $('batch-start').addEventListener('click', () => this.predict())
    $('order').addEventListener('change', () => this.show())
    $('details').addEventListener('click', () => this.csv())
    $('submission').addEventListener('click', () =>
      save(new Blob([['id,label', ...this.seen.patches.map(o => `${cell(o.id)},${o.probability.toFixed(6)}`), ''].join('\n')], {type: 'text/csv'}), 'submission.csv'))
    this.clear()
  }
  clear() {
    super.clear()
    this.seen = this.one = null
    $('batch-found').hidden = $('batch-one').hidden = true
    this.chosen = null
    $('batch-state').textContent = 'The table appears here.'
    $('batch-start').disabled = false
    for (const o of ['left-out', 'histogram']) $(o).replaceChildren()
    $('rows').tBodies[0].replaceChildren()
  }
  fail(e, now) { super.fail(e, now); if (this.now === now) $('batch-state').textContent = '' }
  choose(files) {
    this.files = files
    this.begin()
    $('batch-name').textContent = files.length === 1 ? files[0].name : `${files.length} files`
  }
  async predict() {
    const now = this.begin()
    try {
      if (!this.files.length) throw new Error('Choose files first')
      tooLarge(this.files, 'batch')
      const body = new FormData()
      this.files.forEach(o => body.append('files', o, o.name))
      $('batch-state').textContent = 'The network is looking at them …'
      $('batch-start').disabled = true
      const seen = await (await ask(`api/batch${query({resize: $('batch-resize').checked, images: true})}`, {method: 'POST', body, signal: now.signal})).json()
      if (this.now !== now) return
      this.seen = seen
      $('batch-start').disabled = false
      this.show()
    } catch (e) { this.fail(e, now) }
  }
  show() {
    if (!this.seen) return
    const t = this.threshold(), rows = [...this.seen.patches], bad = this.seen.left_out
    const by = {high: o => -o.probability, low: o => o.probability, near: o => Math.abs(o.probability - t)}[$('order').value]
    rows.sort((a, b) => by ? by(a) - by(b) : a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
    $('batch-state').textContent = `${countOf(rows.length, 'patch', 'patches')}, ${rows.filter(o => o.probability >= t).length.toLocaleString('en')} of them called tumour at ${short(t)}.${run.runs.length > 1 ? ` By ${this.seen.model}` : ''}`
    $('left-out').replaceChildren(...bad.length ? [make('p', {text: `${bad.length} left out:`}), make('ul', {}, ...bad.slice(0, 50).map(o => make('li', {text: `${o.id}: ${o.reason}`})))] : [])
    $('histogram').replaceChildren(...rows.length ? [histogram(rows.map(o => o.probability), t)] : [])
    $('rows').tBodies[0].replaceChildren(...rows.map(o => make('tr', {'aria-selected': o.id === this.chosen, onclick: e => { if (e.target.closest('button') || !String(getSelection())) this.look(o) }},
      make('td', {}, make('button', {'aria-label': `Look at ${o.id}`}, make('img', {src: o.image, alt: '', loading: 'lazy'}))), make('td', {text: o.id}), make('td', {text: fixed(o.probability, 4)}),
      make('td', {text: this.called(o, t)}), make('td', {text: refers(o.probability) ? 'refer to a pathologist' : ''}), make('td', {text: o.unusual ? `no: ${o.reason}` : o.unusual === null ? 'not known' : 'yes'}))))
    $('batch-found').hidden = false
    if (this.one) this.verdict()
  }
  called(o, t) { return o.probability >= t ? 'tumour' : 'no tumour in the centre' }
  // A patch with its attribution: it is asked for again as the network has seen it
  async look(o) {
    const now = this.now
    this.chosen = o.id
    this.one = null
    this.show()
    $('batch-one').hidden = false
    $('batch-one-name').textContent = o.id
    $('batch-one-said').replaceChildren(make('p', {text: 'The network is looking at it …'}))
    $('batch-one-views').replaceChildren()
    try {
      const body = new FormData(), bytes = Uint8Array.from(atob(o.image.split(',')[1]), c => c.charCodeAt(0))
      body.append('file', new Blob([bytes], {type: 'image/png'}), 'patch.png')
      const seen = await (await ask(`api/patch${query({images: true, attribution: document.querySelector('[name=method]:checked').value})}`, {method: 'POST', body, signal: now?.signal})).json()
      if (this.now !== now || this.chosen !== o.id) return
      this.one = seen
      this.verdict()
      const shown = {patch: 'What the label looks at: the centre', attribution: 'Attribution: what speaks for tumour (red) and against it (blue)'}
      $('batch-one-views').replaceChildren(...Object.entries(seen.images).map(([k, src]) => make('figure', {}, make('figcaption', {text: shown[k]}), make('img', {src, alt: k === 'patch' ? 'The patch, its centre outlined' : 'The patch with the attribution map over it'}))))
      $('batch-one').scrollIntoView({block: 'nearest'})
    } catch (e) { if (this.chosen === o.id && e.name !== 'AbortError') $('batch-one-said').replaceChildren(make('p', {class: 'error', role: 'alert', text: e.message})) }
  }
  verdict() { $('batch-one-said').replaceChildren(verdict(this.one, this.threshold())) }
  csv() {
    const t = this.threshold(), known = o => o.unusual === null ? '' : o.unusual ? 'yes' : 'no'
    const rows = this.seen.patches.map(o => [cell(o.id), o.probability.toFixed(6), this.called(o, t), refers(o.probability) ? 'yes' : 'no', known(o), o.rank ?? '', cell(o.reason || '')].join(','))
    save(new Blob([['id,probability,decision,indeterminate,out_of_distribution,rank,reason', ...rows, ''].join('\n')], {type: 'text/csv'}), 'patches.csv')
  }
}
function histogram(p, t) {
  const n = Array(40).fill(0), b = edges(), x = v => 40 + 600 * v
  p.forEach(o => n[Math.min(39, Math.floor(40 * o))]++)
  const most = Math.max(1, ...n), h = v => 140 * v / most
  return make('svg', {viewBox: '0 0 660 200', class: 'bars', role: 'img', 'aria-label': `Histogram of ${p.length} probabilities, with the threshold ${short(t)}`},
    ...b !== null ? [make('rect', {x: x(b[0]), y: 15, width: 600 * (b[1] - b[0]), height: 140, class: 'band', opacity: .5})] : [],
    ...n.map((v, i) => make('rect', {x: x(i / 40) + .5, y: 155 - h(v), width: 14, height: h(v), class: 'bar'})),
    make('line', {x1: 40, y1: 155, x2: 640, y2: 155, class: 'axis'}), make('line', {x1: x(t), y1: 10, x2: x(t), y2: 155, class: 'at'}),
    ...[0, .25, .5, .75, 1].map(v => make('text', {x: x(v), y: 172, text: v})), make('text', {x: 340, y: 192, text: 'probability of tumour'}),
    make('text', {x: 20, y: 22, text: most}), make('text', {x: Math.min(Math.max(x(t), 80), 600), y: 9, text: 'threshold'}))
}

async function start() {
  const wanted = kept('run', () => '')
  try { run = await (await ask(`api/run${wanted ? `?${new URLSearchParams({run: wanted})}` : ''}`).catch(() => ask('api/run'))).json() }
  catch (e) { $('broken').textContent = e.message; $('broken').hidden = false; return }
  $('runs').hidden = run.runs.length < 2
  $('run').append(...run.runs.map(o => make('option', {value: o.name, text: o.model})))
  $('run').value = run.run
  $('run').addEventListener('change', () => { sessionStorage.run = $('run').value; location.reload() })
  $('slide-file').accept = run.slides.join(',')
  $('patch-file').accept = run.images.join(',')
  $('batch-file').accept = [...run.images, '.zip'].join(',')
  new Patch()
  new Slide()
  new Batch()
  $('card').innerHTML = run.card // Made by the server, which has escaped what comes from the run
  for (const o of $('card').querySelectorAll('table:not(.scroll table), pre')) o.tabIndex = 0 // They scroll where the page is narrow
  $('version').textContent = `pcam_nb ${run.version}, model ${run.model}. ${run.synthetic ? 'Trained on synthetic tissue only: on real tissue its answers mean nothing. ' : ''}For research use only, not a medical device.`
  document.body.dataset.ready = 'yes'
}
start()
