// What the bench asks of its subscribers, and what they say became of the events.
import { z } from 'zod'

export const subscribeSchema = z.object({
  url: z.string(),
  runIds: z.array(z.string()),
  /** Subscribers of each run. */
  each: z.number().int().positive(),
})

/** Run directories, in the order of the runs. */
export const finishSchema = z.object({ directories: z.array(z.string()) })

export const deliverySchema = z.object({
  /** Steps handed over, over all subscribers. */
  delivered: z.number(),
  lost: z.number(),
  doubled: z.number(),
  /** Events of any kind that came in another place than their cursor says. */
  disordered: z.number(),
  /** From the trainer's append to the SDK's callback. */
  p50Ms: z.number(),
  p99Ms: z.number(),
  maxMs: z.number(),
})
export type Delivery = z.output<typeof deliverySchema>
