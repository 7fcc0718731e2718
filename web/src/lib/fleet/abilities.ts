// What this gateway can be asked, by its own description: an older one lacks routes, and a page that tried them out
// would fill the browser's console with refusals. Read once for each load of the page, when somebody needs to know.
import { request } from '$lib/api/client'

type Document = { paths?: Record<string, Record<string, unknown>> }

let described: Promise<Document> | undefined

async function read(): Promise<Document> {
  try {
    return (await (await request('/openapi.json')).json()) as Document
  } catch (error) {
    // Asked again next time.
    described = undefined
    throw error
  }
}

/** Whether the gateway has a route; a gateway that does not answer has none. */
export async function hasRoute(method: 'get' | 'post' | 'delete', path: string): Promise<boolean> {
  try {
    const { paths } = await (described ??= read())
    return paths?.[path]?.[method] !== undefined
  } catch {
    return false
  }
}
