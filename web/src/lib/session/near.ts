// Whether an element is near the part of the page that is seen. One observer for all who ask.

const MARGIN_PX = 300

const hearers = new WeakMap<Element, (isNear: boolean) => void>()
let observer: IntersectionObserver | undefined

export function whenNear(element: Element, hear: (isNear: boolean) => void): () => void {
  if (typeof IntersectionObserver === 'undefined') {
    hear(true)
    return () => undefined
  }
  observer ??= new IntersectionObserver(
    (entries) => {
      for (const entry of entries) hearers.get(entry.target)?.(entry.isIntersecting)
    },
    { rootMargin: `${MARGIN_PX}px` },
  )
  hearers.set(element, hear)
  observer.observe(element)
  return () => observer?.unobserve(element)
}
