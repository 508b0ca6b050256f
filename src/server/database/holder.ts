// Who may hold the data directory and the database, and what a refusal says of it.

/** SERVER, or REBUILD: `trainql db rebuild`. */
export const holders = ['SERVER', 'REBUILD'] as const
export type Holder = (typeof holders)[number]

export interface HolderWords {
  name: string
  /** Begins a sentence. */
  untilFree: string
  /** Of its sessions with a PostgreSQL server (`application_name`). */
  application: string
}

export const holderWords: Record<Holder, HolderWords> = {
  SERVER: { name: 'the server', untilFree: 'Stop that server', application: 'trainql server' },
  REBUILD: { name: 'trainql db rebuild', untilFree: 'Wait until it is done', application: 'trainql db rebuild' },
}

/** Null: a session that calls itself otherwise. */
export function holderOf(application: string | undefined): Holder | null {
  return holders.find((holder) => holderWords[holder].application === application) ?? null
}
