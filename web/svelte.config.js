// How Svelte compiles the app: runes everywhere; styles go into files, because the pages' policy allows no inline ones.
export default {
  compilerOptions: { runes: true, css: 'external' },
}
