// What can be done with a whole session, the same in a card, on its page and in the list.

import Download from '@lucide/svelte/icons/download'
import FileText from '@lucide/svelte/icons/file-text'
import Pencil from '@lucide/svelte/icons/pencil'
import Tag from '@lucide/svelte/icons/tag'
import Trash2 from '@lucide/svelte/icons/trash-2'
import { download } from '../browser'
import { toast } from '../ui/toasts.svelte'
import { exportSession } from './api'

export interface Asks {
  rename: () => void
  tag: () => void
  remove: () => void
}

export function sessionMenu(id: string, title: string, isOwner: boolean, asks: Asks) {
  return [
    { id: 'rename', label: 'Rename', icon: Pencil, run: asks.rename },
    { id: 'tag', label: 'Tags', icon: Tag, run: asks.tag },
    { id: 'md', label: 'Export as Markdown', icon: FileText, run: () => void save(id, title, 'md') },
    { id: 'json', label: 'Export as JSON', icon: Download, run: () => void save(id, title, 'json') },
    { id: 'delete', label: 'Delete', icon: Trash2, danger: true, disabled: !isOwner, run: asks.remove },
  ]
}

export async function save(id: string, title: string, format: 'json' | 'md'): Promise<void> {
  try {
    const type = format === 'md' ? 'text/markdown' : 'application/json'
    download(fileName(title, format), await exportSession(id, format), type)
  } catch (error) {
    const why = error instanceof Error ? error.message : 'the gateway did not answer'
    toast({ text: `The session was not exported: ${why}.`, tone: 'bad' })
  }
}

/** Letters and digits of the title, which every file system takes. */
export function fileName(title: string, ending: string): string {
  const name = title.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, '-').replace(/^-+|-+$/g, '').slice(0, 60)
  return `${name || 'session'}.${ending}`
}
