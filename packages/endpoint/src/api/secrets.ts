/**
 * The secrets of a group, as the application gives them. No error shows any part of one.
 *
 * @module
 */

import { EndpointError } from "../errors/endpoint-error.ts"

/** An attacker that recorded a join could guess a shorter secret. */
const SECRET_BYTES_MIN = 16
/** Every join is checked against each secret. */
const SECRETS_MAX = 8

/**
 * Reads the secrets in a text, such as a file that `x keygen` made: one a line, ready for the option `secrets`. White
 * space around them, empty lines and lines that begin with `#` are ignored. Throws `EndpointError` `invalid-option` if
 * there is none, or if a line can't be one.
 */
export function secretsFrom(text: string): string[] {
  if (typeof text !== "string") throw invalid('secretsFrom takes the text of a file: await readFile(path, "utf8")')
  const secrets: string[] = []
  for (const [i, line] of text.split("\n").entries()) {
    const secret = line.trim()
    if (secret === "" || secret.startsWith("#")) continue
    checkLength(new TextEncoder().encode(secret), `the secret in line ${i + 1}`)
    secrets.push(secret)
  }
  if (secrets.length === 0) throw invalid("there is no secret in it; x keygen makes one")
  if (secrets.length > SECRETS_MAX) throw invalid(`there are ${secrets.length} secrets in it, more than ${SECRETS_MAX}`)
  return secrets
}

/** Returns copies of the secrets in the options, as bytes. Throws `EndpointError` `invalid-option`. */
export function secretsOf(secrets: readonly (Uint8Array | string)[]): Uint8Array[] {
  if (typeof secrets === "string") throw invalid("secrets must be a list: [secret]")
  if (!Array.isArray(secrets) || secrets.length === 0 || secrets.length > SECRETS_MAX)
    throw invalid(`secrets must be a list of 1 to ${SECRETS_MAX}`)
  return secrets.map((secret: unknown) => {
    if (secret === undefined)
      throw invalid("a secret is undefined: is there a variable of that name in the environment?")
    if (typeof secret !== "string" && !(secret instanceof Uint8Array))
      throw invalid("a secret must be a Uint8Array or text")
    // The line of a file with its end would be another secret than the same line without it.
    if (typeof secret === "string" && secret !== secret.trim())
      throw invalid("a secret begins or ends with white space: secretsFrom(text) reads the lines of a file")
    const bytes = typeof secret === "string" ? new TextEncoder().encode(secret) : Uint8Array.from(secret)
    checkLength(bytes, "a secret")
    return bytes
  })
}

function checkLength({ length }: Uint8Array, what: string): void {
  if (length < SECRET_BYTES_MIN)
    throw invalid(`${what} must have ${SECRET_BYTES_MIN} bytes or more, not ${length}; x keygen makes one`)
}

function invalid(message: string): EndpointError {
  return new EndpointError("invalid-option", message)
}
