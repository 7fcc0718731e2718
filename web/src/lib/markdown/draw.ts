// One loop that draws all growing texts of the tab together, in a frame of the browser and at most every 50 ms; of many
// at once nobody reads each, and they are drawn less often. When drawing costs much, it draws less often as well, so that
// keys are answered meanwhile.

export interface Drawable {
  draw(): void
}

const GAP_MS = 50
/** From so many texts on that grow together. */
const CROWD = 5
const GAP_MS_CROWD = 75
const GAP_MS_MAX = 200
const COST_MS_MAX = 16

const asked = new Set<Drawable>()
let gap = GAP_MS
let last = 0
let isUnderWay = false

export function askToDraw(one: Drawable): void {
  asked.add(one)
  if (isUnderWay) return
  isUnderWay = true
  setTimeout(() => requestAnimationFrame(drawAll), Math.max(0, last + gap - performance.now()))
}

export function forget(one: Drawable): void {
  asked.delete(one)
}

function drawAll(): void {
  isUnderWay = false
  const began = performance.now()
  const all = [...asked]
  asked.clear()
  for (const one of all) one.draw()
  last = performance.now()
  const least = all.length >= CROWD ? GAP_MS_CROWD : GAP_MS
  gap = last - began > COST_MS_MAX ? Math.min(GAP_MS_MAX, gap * 2) : Math.max(least, gap / 2)
}
