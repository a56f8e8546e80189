// What the pages share
export const $ = id => document.getElementById(id)
const SVG = ['svg', 'path', 'rect', 'circle', 'text', 'line', 'title']

// Elements: make('p', {class: 'a', text: 'b', onclick: f}, child, …)
export function make(name, attributes = {}, ...children) {
  const o = SVG.includes(name) ? document.createElementNS('http://www.w3.org/2000/svg', name) : document.createElement(name)
  for (const [k, v] of Object.entries(attributes)) {
    if (k === 'text') o.textContent = v
    else if (k.startsWith('on')) o.addEventListener(k.slice(2), v)
    else if (v !== null && v !== false && v !== undefined) o.setAttribute(k, v === true ? '' : v)
  }
  o.append(...children)
  return o
}
export const fixed = (p, n = 3) => p.toFixed(n)
export const short = t => String(Number(t.toPrecision(4)))
export const whole = n => Math.round(n).toLocaleString('en')
export const countOf = (n, what, many = `${what}s`) => `${n.toLocaleString('en')} ${n === 1 ? what : many}`
export const wait = ms => new Promise(done => setTimeout(done, ms))

export function save(blob, name) {
  const url = URL.createObjectURL(blob)
  make('a', {href: url, download: name}).click()
  setTimeout(() => URL.revokeObjectURL(url), 10000)
}
// Asking the server. What is wrong comes back as one sentence.
export async function asking(path, options = {}) {
  let answer
  try { answer = await fetch(path, options) }
  catch (e) {
    if (e.name === 'AbortError') throw e
    throw new Error('The server can’t be reached. Is it still running?')
  }
  if (answer.ok) return answer
  let said = `The server answers ${answer.status}`
  try { said = (await answer.json()).error || said } catch { /* No JSON: a proxy's page */ }
  throw Object.assign(new Error(said), {status: answer.status})
}
