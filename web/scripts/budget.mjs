// Fails when the built app is larger than it may be: `npm run build && npm run budget`. The first page is the script
// of index.html, what it imports at once, and the chat page; sizes are Brotli's, as the gateway sends them.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { brotliCompressSync } from 'node:zlib'

const DIST = process.argv[2] ?? 'dist'
const LIMITS = { firstPageJs: 110_000, firstPageCss: 20_000, allBrotli: 400_000, allRaw: 1_000_000 }

const files = new Map()
for (const entry of await readdir(DIST, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile()) continue
  const path = join(entry.parentPath ?? entry.path, entry.name)
  const content = await readFile(path)
  files.set(entry.name, { content, raw: content.length, brotli: brotliCompressSync(content).length })
}

/** A script and everything that it imports without being asked to. */
function withImports(name, found = new Set()) {
  if (found.has(name) || !files.has(name)) return found
  found.add(name)
  const text = files.get(name).content.toString()
  for (const [, other] of text.matchAll(/(?:^|[;}\s])(?:import|export)[^()'"]*?["']\.\/([\w.-]+\.js)["']/g)) withImports(other, found)
  return found
}

const names = [...files.keys()]
const entry = /src="\/assets\/([\w.-]+\.js)"/.exec(files.get('index.html').content.toString())?.[1]
const chat = names.find((name) => /^ChatPage-.*\.js$/.test(name))
if (!entry || !chat) throw new Error('no entry script or no chat page in the built app')
const first = withImports(chat, withImports(entry))
const styles = names.filter((name) => /^(index|ChatPage)-.*\.css$/.test(name))
const sum = (of, what) => [...of].reduce((total, name) => total + files.get(name)[what], 0)

const sizes = {
  firstPageJs: sum(first, 'brotli'),
  firstPageCss: sum(styles, 'brotli'),
  allBrotli: sum(names, 'brotli'),
  allRaw: sum(names, 'raw'),
}
let isOver = false
for (const [what, limit] of Object.entries(LIMITS)) {
  const size = sizes[what]
  isOver ||= size > limit
  console.log(`${size > limit ? 'OVER' : 'ok  '} ${what.padEnd(12)} ${(size / 1000).toFixed(1).padStart(7)} of ${limit / 1000} kB`)
}
process.exit(isOver ? 1 : 0)
