// Sessions that are about to be deleted: nothing brings one back, so it is asked for only when the time to undo is
// over, or when the page is left.

import { toast } from '../ui/toasts.svelte'
import type { SessionId } from '../hub'
import { deleteSession } from './api'

const UNDO_MS = 10_000

interface Pending {
  timer: ReturnType<typeof setTimeout>
  onBack: () => void
  /** Takes the offer to undo away. */
  withdraw: () => void
}

const pending = new Map<SessionId, Pending>()

/** Whether a session is on its way out, and should not be shown. */
export const isLeaving = (id: SessionId): boolean => pending.has(id)

/** Deletes in ten seconds. `onBack` is called when somebody changed their mind or the gateway refused. */
export function deleteLater(id: SessionId, title: string, onBack: () => void): void {
  if (pending.has(id)) return
  if (pending.size === 0) addEventListener('pagehide', deleteAll)
  const withdraw = toast({
    text: `“${title || 'Untitled'}” is deleted.`,
    action: { label: 'Undo', run: () => undo(id) },
  })
  pending.set(id, { timer: setTimeout(() => void deleteNow(id), UNDO_MS), onBack, withdraw })
}

function undo(id: SessionId): void {
  take(id)?.onBack()
}

async function deleteNow(id: SessionId): Promise<void> {
  const one = take(id)
  if (!one) return
  try {
    await deleteSession(id)
  } catch (error) {
    one.onBack()
    const why = error instanceof Error ? error.message : 'the gateway did not answer'
    toast({ text: `The session could not be deleted: ${why}.`, tone: 'bad', sticky: true })
  }
}

function take(id: SessionId): Pending | undefined {
  const one = pending.get(id)
  if (!one) return undefined
  clearTimeout(one.timer)
  one.withdraw()
  pending.delete(id)
  if (pending.size === 0) removeEventListener('pagehide', deleteAll)
  return one
}

/** A page that is left cannot wait, and the person has not taken it back. */
function deleteAll(): void {
  for (const id of [...pending.keys()]) {
    take(id)
    void deleteSession(id, { keepalive: true }).catch(() => undefined)
  }
}
