// Writes src/lib/api/schema.d.ts out of openapi.json. Operations are written where they stand and not by their ids:
// two that share one would silently get each other's types.
import { readFile, writeFile } from 'node:fs/promises'
import openapiTS, { astToString } from 'openapi-typescript'

const root = new URL('..', import.meta.url)
const document = JSON.parse(await readFile(new URL('openapi.json', root), 'utf8'))
for (const path of Object.values(document.paths)) {
  for (const operation of Object.values(path)) delete operation.operationId
}
const head = '// Made from openapi.json by `npm run gen:api`. Not to be changed by hand.\n\n'
await writeFile(new URL('src/lib/api/schema.d.ts', root), head + astToString(await openapiTS(document)))
