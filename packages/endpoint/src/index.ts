/**
 * Message streams between peers over one UDP port.
 *
 * @module
 */

export type { Connection, ConnectionEvents, ConnectOptions, RetryOptions } from "./api/connection.ts"
export type { Alarm } from "./api/alarms.ts"
export { Endpoint } from "./api/endpoint.ts"
export type { FanOut } from "./api/fan-out.ts"
export type { RebindOptions } from "./api/rebinding.ts"
export type { Charged, Charges } from "./schedule/ledger.ts"
export type { EndpointStats, MemoryStats } from "./api/endpoint-stats.ts"
export type { JoinOptions } from "./api/joining.ts"
export type { SentMessages } from "@x/stream"
export { EndpointError, type EndpointErrorCode } from "./errors/endpoint-error.ts"
export type { Departure, EndpointEvents, EventListener, EventName } from "./api/endpoint-events.ts"
export type { Listener } from "./api/events.ts"
export type {
  AsyncMessageHandler,
  AsyncValueHandler,
  IncomingStream,
  IncomingStreamEvents,
  Message,
  MessageHandler,
  OutgoingStream,
  Peer,
  ReceivedMessage,
  ReceivedValue,
  Replies,
  StreamEnd,
  Unhandled,
  ValueHandler,
} from "./api/handles.ts"
export {
  bytes,
  type Codec,
  defineMessage,
  isMessageType,
  isWriting,
  json,
  type MessageType,
  utf8,
  type WritingCodec,
} from "./api/message-type.ts"
export type { UnconfirmedMessage } from "./api/kept-messages.ts"
export type {
  NamedStream,
  NamedStreamEnd,
  NamedStreamEvents,
  NamedStreamOptions,
  NamedStreamState,
} from "./api/named-stream.ts"
export type { EndpointOptions, IdentityOptions } from "./api/options.ts"
export type { OutgoingEnd, OutgoingStreamEvents, SendOptions, SendResult, TrySendOptions } from "./api/sending.ts"
export type { ParkedMessages } from "./streams/parking-lot.ts"
export type { SendLimit } from "./path/limiting.ts"
export type { SendLimits } from "./api/send-limits.ts"
export type { OpenOptions, LimitOptions, PeerMemory, PeerStats, PingOptions, ShareOptions } from "./api/peer-options.ts"
export type { Full } from "./protocol/sizes.ts"
export { secretsFrom } from "./api/secrets.ts"
export type { Target } from "./api/target.ts"
export type { WaitOptions } from "./api/wait.ts"
export type { CongestionController, CongestionFactory, DeliverySample } from "./congestion/controller.ts"
export { bbr } from "./congestion/bbr/bbr.ts"
export { fixed, type FixedOptions } from "./congestion/fixed.ts"
export { lossBased, type LossBasedOptions } from "./congestion/loss-based/loss-based.ts"
export { type Delivery, REASON, REASON_APPLICATION, reasonName } from "@x/wire"
