// One chart on a canvas: the only part that knows uPlot, in a chunk of its own. Colours are handed in, because a canvas
// cannot follow the theme by itself.
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import type { Columns } from './series'

export interface Line {
  label: string
  colour: string
  /** Dashed, so that two lines differ by more than their colour. */
  isDashed: boolean
  isFilled: boolean
}

export interface Look {
  lines: Line[]
  grid: string
  text: string
  font: string
  /** What stands at the axis: `60`, `1.2 s`. */
  format: (value: number) => string
  onHover: (index: number | null) => void
}

export interface Plot {
  update(columns: Columns, fromMs: number, toMs: number): void
  resize(width: number): void
  destroy(): void
}

const HEIGHT = 180
/** Room for the labels of the axis at the left. */
const AXIS_WIDTH = 52

export function draw(element: HTMLElement, width: number, look: Look): Plot {
  const axis = { stroke: look.text, font: look.font, ticks: { show: false }, grid: { stroke: look.grid, width: 1 } }
  const plot = new uPlot(
    {
      width,
      height: HEIGHT,
      legend: { show: false },
      cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false } },
      scales: {
        x: { time: true, auto: false },
        // Never a line of noise over the whole height when nothing happens.
        y: { range: (_, __, max) => [0, Math.max(1, max * 1.1)] },
      },
      axes: [
        { ...axis, grid: { show: false }, size: 26, space: 80, values: (_, splits) => splits.map(clock) },
        { ...axis, size: AXIS_WIDTH, space: 40, values: (_, splits) => splits.map((value) => (value === 0 ? '0' : look.format(value))) },
      ],
      series: [
        {},
        ...look.lines.map((line) => ({
          label: line.label,
          stroke: line.colour,
          width: 2,
          dash: line.isDashed ? [6, 4] : undefined,
          fill: line.isFilled ? faint(line.colour) : undefined,
          points: { show: false },
          spanGaps: false,
        })),
      ],
      hooks: { setCursor: [(shown) => look.onHover(shown.cursor.idx ?? null)] },
    },
    [[], ...look.lines.map(() => [])],
    element,
  )
  return {
    update(columns, fromMs, toMs) {
      plot.batch(() => {
        plot.setData(columns as uPlot.AlignedData, false)
        plot.setScale('x', { min: fromMs / 1000, max: toMs / 1000 })
      })
    },
    resize: (to) => plot.setSize({ width: to, height: HEIGHT }),
    destroy: () => plot.destroy(),
  }
}

const clock = (second: number): string => new Date(second * 1000).toLocaleTimeString('en-GB', { timeStyle: 'short' })

/** The same colour, nearly transparent; the browser says colours as `rgb(…)`. */
function faint(colour: string): string {
  return colour.replace(/^rgba?\(([^,)]+),([^,)]+),([^,)]+).*\)$/, 'rgba($1,$2,$3,0.12)')
}
