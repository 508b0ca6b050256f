// The devices as the API shows them, and what tests ask of them.
import { type Failure, query } from './server.ts'

export interface DeviceView {
  name: string
  state: string
  availability: string
  availabilityReason: string | null
  availabilitySince: string | null
  run: { id: string } | null
}

const deviceFields = 'name state availability availabilityReason availabilitySince run { id }'

export async function deviceOf(url: string, name: string): Promise<DeviceView> {
  const text = `query ($name: String!) { device(name: $name) { ${deviceFields} } }`
  return (await query<{ device: DeviceView }>(url, text, { name })).device
}

type Answer = (Failure & { device?: undefined }) | { __typename: 'DeviceAvailabilitySuccess'; device: DeviceView }

/** Has a device take no more runs, or some again. */
export async function change(
  url: string,
  mutation: 'drainDevice' | 'disableDevice' | 'enableDevice',
  name: string,
  reason?: string,
): Promise<Answer> {
  const [variable, argument] = mutation === 'enableDevice' ? ['', ''] : [', $reason: String', ', reason: $reason']
  const text = `mutation ($name: String!${variable}) { ${mutation}(name: $name${argument}) {
    __typename
    ... on DeviceAvailabilitySuccess { device { ${deviceFields} } }
    ... on Failure { code message fix }
  } }`
  const given = reason === undefined ? { name } : { name, reason }
  return (await query<Record<string, Answer>>(url, text, given))[mutation]!
}
