// Bundles the playground into dist/web/playground; everything it needs, fonts and workers too, comes from there.
import { fileURLToPath } from 'node:url'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

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
      // Packages compiled by the React compiler carry directives that mean nothing in a bundle.
      onLog(level, log, handle) {
        if (log.code !== 'MODULE_LEVEL_DIRECTIVE') handle(level, log)
      },
    },
  },
  logLevel: 'warn',
})
