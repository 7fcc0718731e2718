// Runs the bench; see bench.ts.
import { runnerImport } from 'vite'

const { module } = await runnerImport(new URL('./bench.ts', import.meta.url).pathname, { logLevel: 'error' })
process.exit(await module.main(process.argv.slice(2)))
