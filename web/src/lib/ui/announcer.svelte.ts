// What a screen reader is told besides the page itself: one polite region for the whole app, drawn by the shell.

let message = $state('')
let wasOdd = false

/** Says something once. The same text again is said again. */
export function announce(text: string): void {
  // A region that does not change is not read: every second message ends in a space that nobody hears.
  wasOdd = !wasOdd
  message = wasOdd ? text : `${text}\u00a0`
}

export const announcer = {
  get message(): string {
    return message
  },
}
