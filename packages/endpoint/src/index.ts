/**
 * Message streams between peers over one UDP port.
 *
 * @module
 */

export type { Connection, ConnectionEvents, ConnectOptions, RetryOptions } from "./connection.ts"
export { Endpoint, type EndpointStats, type JoinOptions } from "./endpoint.ts"
export type { SentMessages } from "@x/stream"
export { EndpointError, type EndpointErrorCode } from "./endpoint-error.ts"
export type { Departure, EndpointEvents, EventListener, EventName, Listener } from "./events.ts"
export type { IncomingStream, IncomingStreamEvents, StreamEnd } from "./incoming-stream.ts"
export type { AsyncMessageHandler, AsyncValueHandler, MessageHandler, ValueHandler } from "./message-handlers.ts"
export { bytes, type Codec, defineMessage, json, type MessageType, utf8, type WritingCodec } from "./message-type.ts"
export type { Message, ReceivedMessage, ReceivedValue } from "./message.ts"
export type { UnconfirmedMessage } from "./kept-messages.ts"
export type { NamedStream, NamedStreamEnd, NamedStreamEvents, NamedStreamOptions, NamedStreamState } from "./named-stream.ts"
export type { EndpointOptions, IdentityOptions } from "./options.ts"
export type { OutgoingEnd, OutgoingStream, OutgoingStreamEvents, SendOptions, SendResult, TrySendOptions } from "./outgoing-stream.ts"
export type { ParkedMessages } from "./parking-lot.ts"
export type { OpenOptions, Peer, PeerStats, PingOptions, ShareOptions } from "./peer.ts"
export type { Full } from "./protocol/protocol.ts"
export type { Replies } from "./replies.ts"
export { secretsFrom } from "./secrets.ts"
export type { Target } from "./target.ts"
export type { Unhandled } from "./unclaimed.ts"
export type { WaitOptions } from "./wait.ts"
export {
  type CongestionController,
  type CongestionFactory,
  type DeliverySample,
  fixed,
  type FixedOptions,
  lossBased,
  type LossBasedOptions,
} from "./protocol/congestion.ts"
export { type Delivery, REASON, REASON_APPLICATION, reasonName } from "@x/wire"
