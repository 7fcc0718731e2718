// Puts a popover beside its button, inside the window. Popovers live in the top layer, so nothing clips them, and the
// styles are set through the object model, which the page's policy allows.

const GAP_PX = 6

export function placeBeside(button: HTMLElement, panel: HTMLElement): void {
  const at = button.getBoundingClientRect()
  const { offsetWidth: width, offsetHeight: height } = panel
  const below = at.bottom + GAP_PX
  const top = below + height + GAP_PX <= innerHeight ? below : Math.max(GAP_PX, at.top - GAP_PX - height)
  const left = Math.max(GAP_PX, Math.min(at.right - width, innerWidth - width - GAP_PX))
  panel.style.top = `${top}px`
  panel.style.left = `${left}px`
}
