// Which commands fit what somebody typed, the best first. Pure.

/** Every typed word begins a word of the text, or stands inside one; nothing when one does not. Higher is better. */
export function score(text: string, typed: string): number | undefined {
  const words = text.toLowerCase().split(/[^\p{L}\p{N}]+/u)
  let total = 0
  for (const part of typed.toLowerCase().split(/\s+/).filter(Boolean)) {
    if (words.some((word) => word.startsWith(part))) total += 2
    else if (text.toLowerCase().includes(part)) total += 1
    else return undefined
  }
  return total
}

export function search<T>(entries: readonly T[], textOf: (entry: T) => string, typed: string): T[] {
  return entries
    .map((entry) => ({ entry, score: score(textOf(entry), typed) }))
    .filter((each): each is { entry: T; score: number } => each.score !== undefined)
    .sort((a, b) => b.score - a.score)
    .map(({ entry }) => entry)
}
