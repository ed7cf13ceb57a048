import { EndpointError } from "@x/endpoint"

/** What the simulated application throws where it is to throw. */
export class PlannedError extends Error {}

/** Whether an endpoint tells only what was planned: that a function has thrown, or has made too large an answer. */
export function isPlanned(error: unknown): boolean {
  if (!(error instanceof EndpointError) || error.code !== "handler-failed") return false
  return error.cause instanceof PlannedError || (error.cause instanceof RangeError && isOversized(error.cause))
}

function isOversized({ message }: RangeError): boolean {
  return message.startsWith("the answer to request") && message.includes("more than a message to this peer may have")
}
