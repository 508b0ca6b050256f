// A short-lived process entry that prints which engines this machine has, as one JSON line, so that the server
// need not load any of them.
import { probeEngines } from './engines/open.ts'

process.stdout.write(`${JSON.stringify(await probeEngines())}\n`)
