// Bundles the playground into dist/web/playground; everything it needs, fonts and workers too, comes from there.
import { fileURLToPath } from 'node:url'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

/** Directives for the React compiler, which mean nothing in a bundle; and how long the bundler's plugins took. */
const idleWarnings = new Set(['MODULE_LEVEL_DIRECTIVE', 'PLUGIN_TIMINGS'])

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: '/playground/',
  plugins: [react()],
  build: {
    outDir: fileURLToPath(new URL('../../../dist/web/playground', import.meta.url)),
    emptyOutDir: true,
    // The editor is large and loaded once from the same machine.
    chunkSizeWarningLimit: 5_000,
    reportCompressedSize: false,
    rolldownOptions: {
      onLog(level, log, handle) {
        if (!idleWarnings.has(log.code ?? '')) handle(level, log)
      },
    },
  },
  logLevel: 'warn',
})
