// Has the processes that tests start run built, where `dist` is what set-up makes of the source as it is.
import { inject } from 'vitest'
import { startBuilt } from '../src/shared/entry.ts'

startBuilt({ source: new URL('../src/', import.meta.url), built: new URL('../dist/', import.meta.url) })
startBuilt({ source: new URL('../', import.meta.url), built: new URL(inject('builtEntries')) })
