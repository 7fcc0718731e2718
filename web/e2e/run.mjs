// Runs the flows in a real browser: `POMONA_URL=… POMONA_KEY=… npm run e2e [-- part of a name]`. The specs are
// TypeScript, which Vite reads for Node.
import { runnerImport } from 'vite'

const { module } = await runnerImport(new URL('./main.ts', import.meta.url).pathname, { logLevel: 'error' })
process.exit(await module.main(process.argv.slice(2)))
