// Regions of a heatmap: windows from a threshold on that touch at their sides, as pcam_nb.region.find_regions has them
export function findRegions(p, rows, cols, threshold) {
  const labels = new Int32Array(p.length), found = [], stack = new Int32Array(p.length)
  for (let i = 0; i < p.length; i++) {
    if (labels[i] || !(p[i] >= threshold)) continue
    const o = {label: found.length + 1, n: 0, sum: 0, max: -1, best: i}
    let top = 0
    stack[top++] = i
    labels[i] = o.label
    while (top) {
      const k = stack[--top], c = k % cols
      o.n++
      o.sum += p[k]
      if (p[k] > o.max || (p[k] === o.max && k < o.best)) { o.max = p[k]; o.best = k }
      for (const [j, there] of [[k - cols, k >= cols], [k + cols, k + cols < p.length], [k - 1, c > 0], [k + 1, c < cols - 1]]) {
        if (there && !labels[j] && p[j] >= threshold) { labels[j] = o.label; stack[top++] = j }
      }
    }
    found.push(o)
  }
  trace(labels, rows, cols).forEach(({label, ring}) => { (found[label - 1].corners ||= []).push(ring) })
  found.sort((a, b) => b.n - a.n || a.label - b.label)
  return {labels, found}
}

// Outlines of labelled cells as rings of corners [column, row]; the outer one of a label comes first, holes after it
function trace(labels, rows, cols) {
  const at = (r, c) => r < 0 || c < 0 || r >= rows || c >= cols ? 0 : labels[r * cols + c], seen = new Set(), rings = []
  const STEP = [[0, 1], [1, 0], [0, -1], [-1, 0]] // Right, down, left, up: the cell lies to the right of its edge
  const cellOf = (r, c, d) => [[r, c], [r, c - 1], [r - 1, c - 1], [r - 1, c]][d]
  const beyond = (r, c, d) => [[r - 1, c], [r, c], [r, c - 1], [r - 1, c - 1]][d]
  const isEdge = (r, c, d, label) => at(...cellOf(r, c, d)) === label && at(...beyond(r, c, d)) !== label
  const follow = (r0, c0, d0, label) => {
    const ring = []
    let [r, c, d] = [r0, c0, d0]
    do {
      seen.add(((r * (cols + 1) + c) << 2) | d)
      r += STEP[d][0]
      c += STEP[d][1]
      const to = [(d + 3) % 4, d, (d + 1) % 4].find(o => isEdge(r, c, o, label)) // Where cells touch at a corner, from one to the other: so no ring touches itself
      if (to !== d) ring.push([c, r])
      d = to
    } while (r !== r0 || c !== c0 || d !== d0)
    rings.push({label, ring})
  }
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < cols; c++) {
      const label = labels[r * cols + c]
      if (!label) continue
      if (at(r - 1, c) !== label && !seen.has(((r * (cols + 1) + c) << 2) | 0)) follow(r, c, 0, label)
      if (at(r + 1, c) !== label && !seen.has((((r + 1) * (cols + 1) + c + 1) << 2) | 2)) follow(r + 1, c + 1, 2, label)
    }
  }
  return rings
}

// The largest distance between points [x, y], by their convex hull
export function diameter(points) {
  const o = [...points].sort((a, b) => a[0] - b[0] || a[1] - b[1])
  const half = list => list.reduce((hull, q) => {
    while (hull.length > 1 && cross(hull.at(-2), hull.at(-1), q) <= 0) hull.pop()
    hull.push(q)
    return hull
  }, [])
  const hull = [...half(o), ...half(o.reverse())]
  let most = 0
  for (const a of hull) for (const b of hull) most = Math.max(most, Math.hypot(a[0] - b[0], a[1] - b[1]))
  return most
}
const cross = (a, b, c) => (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])

// Colours of a probability, as in the other heatmaps: turbo, by the polynomial of its author (Mikhailov 2019)
export function turbo(v) {
  const x = Math.min(Math.max(v, 0), 1), at = k => k.reduce((sum, o, i) => sum + o * x ** i, 0)
  return [[.13572138, 4.61539260, -42.66032258, 132.13108234, -152.94239396, 59.28637943], [.09140261, 2.19418839, 4.84296658, -14.18503333, 4.27729857, 2.82956604],
    [.10667330, 12.64194608, -60.58204836, 110.36276771, -89.90310912, 27.34824973]].map(k => Math.min(Math.max(255 * at(k), 0), 255))
}
