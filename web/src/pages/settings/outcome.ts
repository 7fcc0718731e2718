// What a test of an address found, in words. Pure.
import type { Reach } from '$lib/reach'
import { duration } from '$lib/ui/words'

export interface Outcome {
  tone: 'good' | 'warning' | 'bad'
  word: string
  text: string
}

export function outcome(reach: Reach, host: string): Outcome {
  switch (reach.verdict) {
    case 'invalid':
      return { tone: 'bad', word: 'No address', text: 'Write it as 192.168.1.7:9999 or https://pomona.example.' }
    case 'mixed':
      return {
        tone: 'warning',
        word: 'Not tested',
        text: 'This page came over HTTPS, and browsers let such a page ask nothing over plain HTTP. Open the address itself to try it.',
      }
    case 'policy':
      return {
        tone: 'warning',
        word: 'Not tested',
        text: `This gateway lets its page ask no other origin than those in its gateway.addresses, and ${host} is none of them. Open the address itself to try it.`,
      }
    case 'same':
      return reach.answers
        ? { tone: 'good', word: 'Answers', text: `Round trip ${duration(reach.ms)}. It is the address that this page uses.` }
        : { tone: 'bad', word: 'No answer', text: 'It is the address that this page came from.' }
    case 'allowed':
      return reach.answers
        ? {
            tone: 'good',
            word: 'Answers',
            text: `Round trip ${duration(reach.ms)}. Browsers hide what another origin says, so whether it is this cluster shows when you open it.`,
          }
        : {
            tone: 'bad',
            word: 'No answer',
            text: 'It is off or out of reach, its certificate is not trusted here, or the browser asked for permission and got none.',
          }
  }
}
