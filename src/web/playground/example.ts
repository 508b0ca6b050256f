// What a tab of the playground is made of.

export interface Example {
  query: string
  variables?: Record<string, unknown>
}

/** What the tabs about something that is there name: the newest there is, or empty. */
export interface Newest {
  runId: string
  checkpointId: string
}
