// The title of the tab: the page's name, before it the number of answers that ended unseen. The shell writes it.

let page = $state('')
let unseen = $state(0)

export function setPageTitle(title: string): void {
  page = title
}

/** How many answers have ended in the background. */
export function setUnseen(count: number): void {
  unseen = count
}

export function documentTitle(withCount: boolean): string {
  const name = page ? `${page} · Pomona` : 'Pomona'
  return withCount && unseen > 0 ? `(${unseen}) ${name}` : name
}
