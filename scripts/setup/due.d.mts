/** Whether everything that the step of this name makes is there, of the inputs as they are. */
export function isUpToDate(name: string): boolean
