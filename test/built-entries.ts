// Has the processes that tests start run from `dist`, where that is what set-up makes of the source as it is.
import { startBuilt } from '../src/shared/entry.ts'

startBuilt(new URL('../dist/', import.meta.url))
