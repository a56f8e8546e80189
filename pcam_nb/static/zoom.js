for (const box of document.querySelectorAll('.zoom')) {
  const frame = box.querySelector('.frame'), layers = box.querySelector('.layers'), bar = box.querySelector('.bar span'), fingers = new Map()
  let k = 1, x = 0, y = 0
  const draw = () => {
    x = Math.min(0, Math.max(frame.clientWidth * (1 - k), x))
    y = Math.min(0, Math.max(frame.clientHeight * (1 - k), y))
    layers.style.transform = `translate(${x}px,${y}px) scale(${k})`
    layers.style.setProperty('--k', k)
    const mm = box.dataset.mm / frame.clientWidth / k, long = [.01, .02, .05, .1, .2, .5, 1, 2, 5, 10].findLast(o => o <= 140 * mm) || .01
    bar.style.width = `${long / mm}px`
    bar.textContent = long < .1 ? `${1000 * long} µm` : `${long} mm`
  }
  const zoom = (by, cx = frame.clientWidth / 2, cy = frame.clientHeight / 2) => {
    const to = Math.min(24, Math.max(1, k * by))
    x = cx - (cx - x) * to / k
    y = cy - (cy - y) * to / k
    k = to
    draw()
  }
  const here = e => { const o = frame.getBoundingClientRect(); return [e.clientX - o.left, e.clientY - o.top] }
  const deeds = {'+': () => zoom(1.5), '=': () => zoom(1.5), '-': () => zoom(1 / 1.5), '−': () => zoom(1 / 1.5), 0: () => zoom(0), '⤢': () => zoom(0),
    ArrowLeft: () => { x += 60; draw() }, ArrowRight: () => { x -= 60; draw() }, ArrowUp: () => { y += 60; draw() }, ArrowDown: () => { y -= 60; draw() }}
  frame.addEventListener('wheel', e => { if (document.activeElement !== frame && !e.ctrlKey) return; e.preventDefault(); zoom(Math.exp(-e.deltaY / 400), ...here(e)) }, {passive: false})
  frame.addEventListener('keydown', e => { if (deeds[e.key] && !e.ctrlKey) { e.preventDefault(); deeds[e.key]() } })
  frame.addEventListener('dblclick', e => zoom(2, ...here(e)))
  frame.addEventListener('dragstart', e => e.preventDefault())
  frame.addEventListener('pointerdown', e => { frame.setPointerCapture(e.pointerId); fingers.set(e.pointerId, here(e)) })
  frame.addEventListener('pointermove', e => {
    if (!fingers.has(e.pointerId)) return
    const before = [...fingers.values()], [a, b] = fingers.get(e.pointerId), now = here(e)
    fingers.set(e.pointerId, now)
    if (before.length > 1) {
      const after = [...fingers.values()], long = o => Math.hypot(o[0][0] - o[1][0], o[0][1] - o[1][1])
      return zoom(long(after) / Math.max(long(before), 1), (after[0][0] + after[1][0]) / 2, (after[0][1] + after[1][1]) / 2)
    }
    x += now[0] - a
    y += now[1] - b
    draw()
  })
  for (const o of ['pointerup', 'pointercancel']) frame.addEventListener(o, e => fingers.delete(e.pointerId))
  for (const o of box.querySelectorAll('[data-do]')) o.addEventListener('click', () => deeds[o.dataset.do]())
  box.querySelector('[type=range]').addEventListener('input', e => { box.querySelector('.heat').style.opacity = e.target.value })
  box.querySelector('[type=checkbox]').addEventListener('change', e => { for (const o of layers.querySelectorAll('span')) o.hidden = !e.target.checked })
  addEventListener('resize', draw)
  draw()
}
