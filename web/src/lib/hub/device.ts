// What the others see of this browser: its kind and the machine's, nothing that tells one person's from another's.

const BROWSERS: [RegExp, string][] = [
  [/Edg\//, 'Edge'],
  [/Firefox\/|FxiOS/, 'Firefox'],
  [/Chrome\/|CriOS|Chromium/, 'Chrome'],
  [/Safari\//, 'Safari'],
]
const MACHINES: [RegExp, string][] = [
  [/iPhone/, 'iPhone'],
  [/iPad/, 'iPad'],
  [/Android/, 'Android'],
  [/Mac/, 'Mac'],
  [/Windows/, 'Windows'],
  [/Linux/, 'Linux'],
]

export function deviceName(agent = navigator.userAgent): string {
  const find = (among: [RegExp, string][]) => among.find(([pattern]) => pattern.test(agent))?.[1]
  return `${find(BROWSERS) ?? 'Browser'} on ${find(MACHINES) ?? 'another machine'}`
}
