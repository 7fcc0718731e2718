// Keeps a transcript at its end while the reader is there, and leaves it alone otherwise. Nothing moves because tokens
// arrive, unless the reader had chosen to be at the end.

export interface Stick {
  toEnd(): void
  /** Runs a change at the beginning of the content without moving what is read. */
  keepPlace(change: () => void): void
  destroy(): void
}

/** Half a line: browsers round, and people stop a little early. */
const NEAR_PX = 24

export function stick(scroller: HTMLElement, content: HTMLElement, onChange: (isAtEnd: boolean) => void): Stick {
  let isAtEnd = true
  let lastTop = 0
  let lastHeight = 0

  const say = (next: boolean): void => {
    if (next === isAtEnd) return
    isAtEnd = next
    onChange(next)
  }
  const toEnd = (): void => {
    say(true)
    scroller.scrollTop = scroller.scrollHeight
  }
  const onScroll = (): void => {
    const { scrollTop, scrollHeight, clientHeight } = scroller
    const isNear = scrollHeight - scrollTop - clientHeight <= NEAR_PX
    // Content that shrinks moves the view by itself; only a reader's own way up lets go of the end.
    const wentUp = scrollTop < lastTop - 1 && scrollHeight >= lastHeight
    lastTop = scrollTop
    lastHeight = scrollHeight
    if (isNear) say(true)
    else if (wentUp) say(false)
  }
  const onGrowth = (): void => {
    if (isAtEnd) scroller.scrollTop = scroller.scrollHeight
  }

  const sizes = new ResizeObserver(onGrowth)
  sizes.observe(content)
  sizes.observe(scroller)
  scroller.addEventListener('scroll', onScroll, { passive: true })
  toEnd()
  return {
    toEnd,
    keepPlace(change) {
      const fromEnd = scroller.scrollHeight - scroller.scrollTop
      change()
      scroller.scrollTop = scroller.scrollHeight - fromEnd
    },
    destroy() {
      sizes.disconnect()
      scroller.removeEventListener('scroll', onScroll)
    },
  }
}
