import type { IncomingStream } from "@x/endpoint"

/** Whether a stream belongs to topics or requests. */
export function isOfMix({ label }: IncomingStream): boolean {
  return label === "topics" || label.startsWith("topic ") || label.startsWith("rpc/")
}
