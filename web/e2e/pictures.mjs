// Takes the pictures; see pictures.ts.
import { runnerImport } from 'vite'

const { module } = await runnerImport(new URL('./pictures.ts', import.meta.url).pathname, { logLevel: 'error' })
process.exit(await module.main(process.argv.slice(2)))
