/**
 * Message streams between peers over one UDP port.
 *
 * @module
 */

export { Endpoint, type EndpointStats, type JoinOptions } from "./endpoint.ts"
export { EndpointError, type EndpointErrorCode } from "./endpoint-error.ts"
export type { EndpointEvents } from "./events.ts"
export type { IncomingStream } from "./incoming-stream.ts"
export type { Message, ReceivedMessage } from "./message.ts"
export type { EndpointOptions } from "./options.ts"
export type { OutgoingStream, SendResult } from "./outgoing-stream.ts"
export type { OpenOptions, Peer, PeerStats } from "./peer.ts"
export type { Target } from "./target.ts"
export type { CongestionController } from "./protocol/congestion.ts"
export { type Delivery, REASON, REASON_APPLICATION, reasonName } from "@x/wire"
