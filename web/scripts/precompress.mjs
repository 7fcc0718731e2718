// Compresses a built bundle and lists it: `node scripts/precompress.mjs FOLDER` writes FILE.br and FILE.gz where they are
// smaller, and manifest.tsv (path, content type, tag, has .br, has .gz), which the Rust side embeds.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
  '.txt': 'text/plain; charset=utf-8',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
}
/** Smaller files fit one packet either way. */
const BYTES_MIN = 512

const folder = process.argv[2]
if (!folder) {
  console.error('usage: node scripts/precompress.mjs FOLDER')
  process.exit(64)
}

/** Writes `path + suffix` if that is smaller; says whether it did. */
function keep(path, suffix, bytes, raw) {
  const isSmaller = bytes.length < raw.length
  if (isSmaller) writeFileSync(join(folder, path + suffix), bytes)
  return isSmaller ? 1 : 0
}

const files = readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && !/\.(br|gz|tsv|map)$/.test(entry.name))
  .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(join(folder, '/').length))
  .sort()

const lines = files.map((path) => {
  const type = TYPES[extname(path)]
  if (!type) throw new Error(`${path}: no content type is known for ${extname(path)}; add it to TYPES`)
  const raw = readFileSync(join(folder, path))
  const tag = createHash('sha256').update(raw).digest('hex').slice(0, 16)
  const options = { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: raw.length } }
  const isLarge = raw.length >= BYTES_MIN
  const br = isLarge ? keep(path, '.br', brotliCompressSync(raw, options), raw) : 0
  const gz = isLarge ? keep(path, '.gz', gzipSync(raw, { level: 9 }), raw) : 0
  return [path, type, tag, br, gz].join('\t')
})
writeFileSync(join(folder, 'manifest.tsv'), lines.map((line) => line + '\n').join(''))
