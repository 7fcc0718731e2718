// What the list is searched for, as it stands in the address. Pure.

import type { Filters } from '$lib/session/api'

export const FIELDS = ['text', 'title', 'model', 'tag'] as const

export function filtersOf(query: URLSearchParams): Required<Filters> {
  const read = (field: string): string => query.get(field) ?? ''
  return { text: read('text'), title: read('title'), model: read('model'), tag: read('tag') }
}

export const isFiltered = (filters: Filters): boolean => FIELDS.some((field) => Boolean(filters[field]))

export const sameFilters = (one: Filters, other: Filters): boolean =>
  FIELDS.every((field) => (one[field] ?? '') === (other[field] ?? ''))
