/** What a peer needs of the endpoint that it is a peer of, and its events. */

import type { Address, Transport } from "@x/transport/host"
import type * as wire from "@x/wire"
import type { ControlWriter } from "../datagram/control-writer.ts"
import type { Accounts } from "../schedule/accounts.ts"
import type { Ledger } from "../schedule/ledger.ts"
import type { SharedPace } from "../path/rate-caps.ts"
import type { IncomingContext } from "../streams/incoming-context.ts"
import type { OutgoingContext } from "../streams/outgoing-context.ts"
import type { EventSink, StreamEvent } from "../streams/stream-events.ts"
import type { Ping } from "./pings.ts"

/** What peers share in the process, beside what their streams share. */
export interface PeerContext<P> extends OutgoingContext, IncomingContext<P> {
  readonly transport: Transport
  readonly accounts: Accounts
  readonly ledger: Ledger
  readonly events: EventSink<PeerEvent<P> | StreamEvent<P>>
  readonly control: ControlWriter
  /** The cap of what goes to all peers together. */
  readonly sharedPace: SharedPace
  /** Numbers from 0 to below 1. */
  random(): number
  /** The peer has left, or we have: nothing under way may bring it back. */
  forsake(peer: P, nowMs: number): void
  /** Datagrams to the peer go to another address than this one from now on. */
  moved(peer: P, from: number): void
  /** The application waits for something of the peer until this deadline, and for nothing sooner. */
  hasten(peer: P, deadlineMs: number): void
}

/** The events of a peer. */
export type PeerEvent<P> =
  | { readonly kind: "reachable" | "unreachable"; readonly peer: P }
  /** It has proved another address. */
  | { readonly kind: "moved"; readonly peer: P; readonly from: Address }
  /** The heartbeat of a ping was answered. */
  | { readonly kind: "answered"; readonly peer: P; readonly ping: Ping }
  /** `address`: where it was reached; `undefined`: not yet reached. */
  | {
      readonly kind: "left"
      readonly peer: P
      readonly why: wire.ReasonText
      readonly address: Address | undefined
    }
