// Looks at a safetensors header before JSON.parse does: how deep and how large it is, and whether a name comes twice.
import { invalidFile } from './formats/file-bytes.ts'

/** The header, a tensor in it, its shape. */
const deepest = 3
/** Enough for 200,000 tensors, whose header is some 25 MB. */
const mostTokens = 4_000_000

const fix = 'Use an undamaged safetensors file.'

/**
 * JSON.parse keeps the last of two equal keys silently; a header that says two things about a tensor is refused.
 * @param json a text that begins with "{"; whether it is JSON is for JSON.parse to say.
 * @throws TrainqlError `CHECKPOINT_INVALID`
 */
export function scanHeader(json: string, what: string): void {
  const seen = new Set<string>()
  let depth = 0
  let tokens = 0
  for (let at = 0; at < json.length; at += 1) {
    switch (json.charCodeAt(at)) {
      case 0x7b: // {
      case 0x5b: // [
        depth += 1
        if (depth > deepest) throw invalidFile(what, `a header that nests ${deepest} levels deep`, 'a deeper one', fix)
        tokens += 1
        break
      case 0x7d: // }
      case 0x5d: // ]
        depth -= 1
        break
      case 0x2c: // ,
        tokens += 1
        break
      case 0x22: {
        // "
        const end = endOfString(json, at)
        if (depth === 1 && isKey(json, end)) {
          const key = decodeKey(json.slice(at, end))
          if (seen.has(key)) throw invalidFile(what, 'each tensor once in the header', `"${key}" twice`, fix)
          seen.add(key)
        }
        at = end - 1
        break
      }
      default:
    }
    if (tokens > mostTokens) throw invalidFile(what, `a header of at most ${mostTokens} values`, 'more', fix)
  }
}

/** Behind the closing quote; the text's end where there is none. */
function endOfString(json: string, start: number): number {
  let at = start + 1
  for (;;) {
    const quote = json.indexOf('"', at)
    if (quote < 0) return json.length
    let backslashes = 0
    while (json.charCodeAt(quote - 1 - backslashes) === 0x5c) backslashes += 1
    if (backslashes % 2 === 0) return quote + 1
    at = quote + 1
  }
}

function isKey(json: string, end: number): boolean {
  let at = end
  while (' \t\n\r'.includes(json[at] ?? '"')) at += 1
  return json[at] === ':'
}

/** As it is written where it is no JSON string: JSON.parse will say so. */
function decodeKey(literal: string): string {
  try {
    return JSON.parse(literal) as string
  } catch (error) {
    if (error instanceof SyntaxError) return literal
    throw error
  }
}
