// What browsers do differently, or refuse to do on plain HTTP in a LAN, behind one name each. No state, no interface.

/** A random id. `crypto.randomUUID` needs a secure context, which a LAN address without TLS is not. */
export function randomId(prefix = ''): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12))
  return prefix + Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** Copies a text; false when the browser does not let us. */
export async function copyText(text: string): Promise<boolean> {
  try {
    if (navigator.clipboard) {
      await navigator.clipboard.writeText(text)
      return true
    }
  } catch {
    // Refused by the browser's policy: the old way may still work.
  }
  return copyBySelection(text)
}

function copyBySelection(text: string): boolean {
  const before = document.activeElement
  const area = document.createElement('textarea')
  area.value = text
  area.readOnly = true
  area.className = 'visually-hidden'
  // In an open dialog everything outside it is inert, and an inert field cannot be selected.
  const place = before?.closest('dialog') ?? document.body
  place.append(area)
  area.select()
  const isCopied = document.execCommand('copy')
  area.remove()
  if (before instanceof HTMLElement) before.focus({ preventScroll: true })
  return isCopied
}

/** Whether the main pointer is a finger: Enter then makes a new line and does not send. */
export const isTouch = (): boolean => matchMedia('(pointer: coarse)').matches

/** Whether shortcuts are said with ⌘. */
export const isMac = (): boolean => /Mac|iPhone|iPad/.test(navigator.platform)

/** Hands a text to the reader as a file. */
export function download(name: string, content: BlobPart, type: string): void {
  const url = URL.createObjectURL(new Blob([content], { type }))
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  // Firefox reads the address after the click has returned.
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}

/** `localStorage` where there is one: private windows and strict settings may have none, or refuse to write. */
export const storage = {
  get(key: string): string | null {
    try {
      return localStorage.getItem(key)
    } catch {
      return null
    }
  },
  set(key: string, value: string): boolean {
    try {
      localStorage.setItem(key, value)
      return true
    } catch {
      return false
    }
  },
  remove(key: string): void {
    try {
      localStorage.removeItem(key)
    } catch {
      // Nothing was kept, so nothing is left.
    }
  },
}
