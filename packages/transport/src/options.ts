import { TransportError } from "./transport-error.ts"

/** Throws for what is no port to bind; 0 asks for a free one. */
export function checkPort(port: number): void {
  if (!(Number.isInteger(port) && port >= 0 && port <= 65_535))
    throw new TransportError("invalid-option", `port must be a whole number from 0 to 65535, not ${port}`)
}
