import { parseHost } from "./addresses.ts"
import type { BindOptions } from "./host.ts"
import { TransportError } from "./transport-error.ts"

const PORT_MAX = 65_535
/** What the kernels' own limits leave of a signed 32-bit integer that they double. */
const BUFFER_BYTES_MAX = 2 ** 30 - 1

/** Options with their defaults filled in, checked. Throws a `TransportError` `invalid-option` or `no-family`. */
export function completeBindOptions(options: BindOptions): Required<BindOptions> {
  const { port = 0, v4 = "0.0.0.0", v6 = "::", receiveBufferBytes = 4_194_304, sendBufferBytes = 1_048_576 } = options
  checkWhole("port", port, 0, PORT_MAX)
  checkWhole("receiveBufferBytes", receiveBufferBytes, 1, BUFFER_BYTES_MAX)
  checkWhole("sendBufferBytes", sendBufferBytes, 1, BUFFER_BYTES_MAX)
  if (v4 !== false) checkHost("v4", v4, 4)
  if (v6 !== false) checkHost("v6", v6, 6)
  if (v4 === false && v6 === false) throw new TransportError("no-family", "v4 and v6 are both switched off; leave one of them on")
  return { port, v4, v6, receiveBufferBytes, sendBufferBytes }
}

function checkWhole(name: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return
  throw new TransportError("invalid-option", `${name} must be a whole number from ${min} to ${max}, not ${value}`)
}

function checkHost(name: string, host: string, family: 4 | 6): void {
  if (parseHost(host)?.family === family) return
  throw new TransportError("invalid-option", `${name} must be a literal v${family} address or false, not "${host}"`)
}
