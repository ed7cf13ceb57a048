/**
 * Message streams between peers over one UDP port.
 *
 * @module
 */

export type { Connection, ConnectionEvents, ConnectOptions, RetryOptions } from "./api/connection.ts"
export { Endpoint, type EndpointStats, type JoinOptions } from "./api/endpoint.ts"
export type { SentMessages } from "@x/stream"
export { EndpointError, type EndpointErrorCode } from "./errors/endpoint-error.ts"
export type { Departure, EndpointEvents, EventListener, EventName, Listener } from "./api/events.ts"
export type { IncomingStream, IncomingStreamEvents, StreamEnd } from "./api/incoming-stream.ts"
export type { AsyncMessageHandler, AsyncValueHandler, MessageHandler, ValueHandler } from "./api/message-handlers.ts"
export {
  bytes,
  type Codec,
  defineMessage,
  json,
  type MessageType,
  utf8,
  type WritingCodec,
} from "./api/message-type.ts"
export type { Message, ReceivedMessage, ReceivedValue } from "./api/message.ts"
export type { UnconfirmedMessage } from "./api/kept-messages.ts"
export type {
  NamedStream,
  NamedStreamEnd,
  NamedStreamEvents,
  NamedStreamOptions,
  NamedStreamState,
} from "./api/named-stream.ts"
export type { EndpointOptions, IdentityOptions } from "./api/options.ts"
export type { OutgoingStream } from "./api/outgoing-stream.ts"
export type { OutgoingEnd, OutgoingStreamEvents, SendOptions, SendResult, TrySendOptions } from "./api/sending.ts"
export type { ParkedMessages } from "./streams/parking-lot.ts"
export type { OpenOptions, Peer, PeerStats, PingOptions, ShareOptions } from "./api/peer.ts"
export type { Full } from "./protocol/protocol.ts"
export type { Replies } from "./api/replies.ts"
export { secretsFrom } from "./api/secrets.ts"
export type { Target } from "./api/target.ts"
export type { Unhandled } from "./api/unclaimed.ts"
export type { WaitOptions } from "./api/wait.ts"
export type { CongestionController, CongestionFactory, DeliverySample } from "./congestion/controller.ts"
export { fixed, type FixedOptions } from "./congestion/fixed.ts"
export { lossBased, type LossBasedOptions } from "./congestion/loss-based.ts"
export { type Delivery, REASON, REASON_APPLICATION, reasonName } from "@x/wire"
