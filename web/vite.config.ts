// How the app is built and served while it is written: chunks by page, nothing inlined (the policy of the gateway
// forbids it), and a proxy to a running gateway. Compression and embedding are the Rust side's.
import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vitest/config'
import { gateway } from './vite.gateway.ts'

export default defineConfig(({ mode }) => ({
  plugins: [svelte(), gateway(process.env.POMONA_URL, process.env.POMONA_KEY)],
  resolve: {
    alias: { $lib: new URL('./src/lib', import.meta.url).pathname },
    // Vitest resolves as a server would; components need the browser's side of Svelte.
    conditions: mode === 'test' ? ['browser'] : undefined,
  },
  build: {
    target: 'es2022',
    // Older ones have no light-dark(), and what replaces it would not follow a chosen theme.
    cssTarget: ['chrome123', 'safari17.5', 'firefox120'],
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 300,
    reportCompressedSize: false,
  },
  worker: { format: 'es' },
  server: { port: 19201, strictPort: true },
  test: {
    environment: 'jsdom',
    include: ['src/**/*.test.ts'],
    restoreMocks: true,
    // Styles are not applied in tests, but the tokens are read.
    css: { include: [/tokens\.css/] },
  },
}))
