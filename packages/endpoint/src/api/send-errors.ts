/** Errors for messages and calls that a stream to a peer can't serve. */

import { type Delivery, reasonName } from "@x/wire"
import { EndpointError } from "../errors/endpoint-error.ts"
import type { SettledCall } from "../streams/send-call.ts"

/** Why a message isn't accepted at all. */
export type Refusal = "closed" | "not-joined" | "too-large"

const GOES_ON: Record<SettledCall["what"], string> = {
  message: "the message was not delivered",
  receipt: "the message was sent, and may have been delivered",
  flush: "what was accepted is still being delivered",
  end: "what was accepted is still being delivered, and the stream ends after it",
}

/** What becomes of the thing that a call waited for, once the call waits no more. */
export function whatGoesOn(what: SettledCall["what"]): string {
  return GOES_ON[what]
}

/** The error of a call that waited on a stream which goes on; `undefined`: it succeeded. */
export function errorOf({ what, outcome }: SettledCall): EndpointError | undefined {
  switch (outcome) {
    case "done":
    case "closed":
      return undefined
    case "given-up":
      return new EndpointError(
        "dropped",
        "the message was given up for newer ones, or for its age; it may have been delivered",
      )
    case "bytes-gone":
      return new EndpointError(
        "bytes-gone",
        "the buffer of the message was transferred, or has shrunk, before all of it was sent; it was not delivered: leave it alone until send() settles, or use trySend(), which copies",
      )
    case "late":
      return new EndpointError(
        "timeout",
        what === "message"
          ? "the message waited for the window longer than its timeoutMs; it was not delivered"
          : `no answer came within timeoutMs; ${GOES_ON[what]}`,
      )
  }
}

/** `waits`: the stream waits for its window. */
export function tooLargeError(bytes: number, bytesMax: number, waits: boolean): EndpointError {
  const cure = waits
    ? "raise messageBytesMax at both ends, or send it in parts"
    : "raise windowBytes and windowPackets, or open the stream as reliable"
  return new EndpointError("too-large", `a message of ${bytes} B is above the limit of ${bytesMax} B; ${cure}`)
}

export function notJoinedError(unique: string): EndpointError {
  return new EndpointError("not-joined", `the peer ${unique} has left; join it again`)
}

export function endedError(): EndpointError {
  return new EndpointError("stream-closed", "the stream was ended; open another")
}

/** `reason`: why the stream was reset. */
export function resetError(reason: number, hasLeft: boolean): EndpointError {
  const cure = `open another${hasLeft ? " after joining again" : ""}`
  return new EndpointError(
    hasLeft ? "not-joined" : "stream-closed",
    `the stream was closed (${reasonName(reason)}); ${cure}`,
  )
}

export function noReceiptError(delivery: Delivery): EndpointError {
  return new EndpointError(
    "invalid-option",
    `nothing acknowledges messages of a stream that is ${delivery}: there is no receipt`,
  )
}

/** In a mode that doesn't wait. */
export function noRoomError(delivery: Delivery): EndpointError {
  return new EndpointError("dropped", `the stream has no room now and does not wait: it is ${delivery}`)
}

export function fullLotError(messages: number): EndpointError {
  return new EndpointError(
    "refused",
    `${messages} messages wait already; wait for "drain", or raise parkedMessagesMax or parkedBytesMax`,
  )
}

export function noPartsError(delivery: Delivery): EndpointError {
  return new EndpointError(
    "invalid-option",
    `a payload in parts needs all of them in order: open the stream as "reliable", not "${delivery}"`,
  )
}
