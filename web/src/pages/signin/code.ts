// The one-time code of a link, which stands in the fragment because browsers never send that to anybody.

/** Takes the code out of the address, so that neither the history nor a copied address holds it. */
export function takeCode(): string | undefined {
  const code = new URLSearchParams(location.hash.slice(1)).get('code') ?? undefined
  if (location.hash) history.replaceState(null, '', location.pathname + location.search)
  return code || undefined
}
