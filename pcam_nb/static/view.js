// The page of pcam_view: a worklist, and one slide of it. The address after # says which slide, and which place of it
import {$, make, fixed, countOf, asking, wait} from './tools.js'
import {Viewer} from './viewer.js'

let rows = [], viewer = null, name = null, review = null, saving = Promise.resolve(), pending = null, dirty = false
const ask = (path, options) => asking(path, options)
const fail = e => { if (e.name === 'AbortError') return; $('broken').textContent = e.message; $('broken').hidden = false }
const link = o => `#${new URLSearchParams(o)}`

// The worklist
function listed() {
  const find = $('find').value.trim().toLowerCase(), which = $('which').value, by = $('order').value
  const kept = {all: () => true, open: o => !o.done, done: o => o.done, notes: o => o.notes || o.corrected, regions: o => o.regions > 0, warns: o => o.error || Object.keys(o.warns).length}[which]
  const of = {score: o => -o.score, area: o => -o.tumour_mm2, regions: o => -o.regions, unusual: o => -o.unusual_windows, name: () => 0}[by]
  return rows.filter(o => kept(o) && `${o.name} ${o.slide || ''} ${o.notes || ''}`.toLowerCase().includes(find)).sort((a, b) => (of(a) || 0) - (of(b) || 0) || a.name.localeCompare(b.name, 'en', {numeric: true}))
}
function list() {
  const shown = listed()
  $('count').textContent = `${shown.length} of ${countOf(rows.length, 'slide')}, ${rows.filter(o => o.done).length} done`
  $('slides').tBodies[0].replaceChildren(...shown.map(row))
}
function row(o) {
  const number = (v, n) => make('td', {text: typeof v === 'number' ? n === undefined ? v.toLocaleString('en') : fixed(v, n) : '–'}), id = encodeURIComponent(o.name)
  const image = make('img', {loading: 'lazy', alt: '', src: `api/results/${id}/thumbnail`, onerror: e => e.target.removeAttribute('src')})
  if (o.error) return make('tr', {}, make('td'), make('td', {class: 'text', colspan: 7, text: `${o.name}: ${o.error}`}))
  const go = e => { if (!e.target.closest('a') && !String(getSelection())) location.hash = link({slide: o.name}) }, warns = Object.entries(o.warns)
  return make('tr', {class: o.done ? 'done' : null, 'data-name': o.name, onclick: go}, make('td', {}, image), make('td', {}, make('a', {href: link({slide: o.name}), text: o.slide || o.name}), ...warns.length ? [make('small', {text: warns.map(([k]) => k).join('; '), title: warns.map(([, v]) => v).join('\n')})] : []),
    number(o.score, 3), number(o.regions), number(o.tumour_mm2, 3), number(o.largest_diameter_mm, 2), make('td', {text: o.done ? 'done' : ''}), make('td', {class: 'text', text: `${o.notes}${o.corrected ? ` (${o.corrected} corrected)` : ''}`}))
}

// One slide
async function open(where) {
  const id = where.slide, base = `api/results/${encodeURIComponent(id)}`
  close()
  name = id
  $('title').textContent = rows.find(o => o.name === id)?.slide || id
  document.title = `${$('title').textContent}: pcam_nb`
  document.activeElement?.blur() // The slide is in focus once it is there
  $('list').hidden = true
  $('one').hidden = false
  $('back').hidden = $('previous').hidden = $('next').hidden = rows.length < 2
  const now = viewer = new Viewer($('viewer'), {ask: (path, options) => ask(`${base}/${path}`, options), title: true, moved: o => { if (viewer === now) history.replaceState(null, '', link({slide: id, ...o})) }, changed: () => change()})
  try {
    const [found] = await Promise.all([ask(`${base}/review`).then(o => o.json()), now.open(where)])
    if (viewer !== now) return
    review = found
    $('done').checked = review.done
    $('notes').value = review.notes
    for (const o of ['done', 'notes']) $(o).disabled = false
    now.load(review.features)
    $('saved').textContent = review.version ? 'Saved' : ''
  } catch (e) { if (viewer === now) fail(e) }
}
function close() {
  flush()
  viewer?.close()
  viewer = name = review = null
  $('broken').hidden = true
  $('notes').value = $('saved').textContent = ''
  for (const o of ['done', 'notes']) $(o).disabled = true
}

// What is noted is saved a moment after the last change, one save after the other, and when the page is left
function change() {
  if (!review) return
  dirty = true
  $('saved').textContent = 'Not saved yet'
  clearTimeout(pending)
  pending = setTimeout(flush, 500)
}
function flush(leaving = false) {
  clearTimeout(pending)
  if (!dirty || !review) return saving
  dirty = false
  const of = name, about = Object.assign(review, {done: $('done').checked, notes: $('notes').value, features: viewer.features})
  saving = saving.then(async () => {
    try {
      const body = JSON.stringify(about)
      about.version = (await (await ask(`api/results/${encodeURIComponent(of)}/review`, {method: 'PUT', body, headers: {'content-type': 'application/json'}, keepalive: leaving && body.length < 60000})).json()).version
      const row = rows.find(o => o.name === of)
      if (row) Object.assign(row, {done: about.done, notes: about.notes.slice(0, 200), corrected: about.features.length})
      if (of === name && !dirty) $('saved').textContent = 'Saved'
    } catch (e) {
      if (of === name) { $('saved').textContent = 'Not saved'; fail(e) }
      if (e.status === undefined && of === name) { dirty = true; await wait(2000); if (of === name) pending = setTimeout(flush, 0) } // The server may come back
    }
  })
  return saving
}
function step(by) {
  const all = listed().filter(o => !o.error), i = all.findIndex(o => o.name === name)
  if (all.length) location.hash = link({slide: all[(i + by + all.length) % all.length].name})
}

function turn() {
  const where = Object.fromEntries(new URLSearchParams(location.hash.slice(1)))
  if (!where.slide && rows.length === 1) where.slide = rows[0].name
  if (where.slide && where.slide === name && viewer?.map) return viewer.go(where)
  if (where.slide && rows.some(o => o.name === where.slide)) return open(where)
  close()
  $('title').textContent = 'Slides'
  document.title = 'pcam_nb: slides'
  $('one').hidden = true
  $('list').hidden = false
  list()
  if (where.slide) fail(new Error(`There is no result called ${where.slide}`))
}
async function start() {
  try {
    const about = await (await ask('api/worklist')).json()
    rows = about.rows
    $('version').textContent = `pcam_nb ${about.version}. For research use only, not a medical device.`
  } catch (e) { return fail(e) }
  for (const o of ['find', 'which', 'order']) $(o).addEventListener('input', list)
  $('done').addEventListener('change', change)
  $('notes').addEventListener('input', change)
  $('back').addEventListener('click', () => { location.hash = '' })
  $('previous').addEventListener('click', () => step(-1))
  $('next').addEventListener('click', () => step(1))
  addEventListener('hashchange', turn)
  addEventListener('pagehide', () => flush(true))
  turn()
  document.body.dataset.ready = 'yes'
}
start()
