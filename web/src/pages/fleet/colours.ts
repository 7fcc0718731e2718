// Colours of the tokens as a canvas needs them, and when they change. A custom property is read as it was written
// (`light-dark(…)`), so that an element has to wear it once.

export function colourOf(host: Element, token: string): string {
  const probe = document.createElement('span')
  probe.hidden = true
  probe.style.color = `var(${token})`
  host.append(probe)
  const colour = getComputedStyle(probe).color
  probe.remove()
  return colour
}

/** Calls `hear` when the theme changes, by the system or by a setting. */
export function onThemeChange(hear: () => void): () => void {
  const system = matchMedia('(prefers-color-scheme: dark)')
  const contrast = matchMedia('(prefers-contrast: more)')
  system.addEventListener('change', hear)
  contrast.addEventListener('change', hear)
  const observer = new MutationObserver(hear)
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] })
  return () => {
    system.removeEventListener('change', hear)
    contrast.removeEventListener('change', hear)
    observer.disconnect()
  }
}
