/**
 * The options of an endpoint, with their defaults and the reasons for them.
 *
 * @module
 */

import { BIND_OPTIONS, type BindOptions, type Host, HOST } from "@x/transport/host"
import { messageBytesLimit } from "@x/fragment"
import {
  DATAGRAM_BYTES_FLOOR,
  DATAGRAM_BYTES_MAX,
  IN_FLIGHT_MAX,
  IN_FLIGHT_MIN,
  PROFILE,
  SPREAD_MAX,
  SPREAD_MIN,
} from "@x/wire"
import {
  ABORT_SIGNAL,
  check,
  functionThat,
  group,
  type Kind,
  type Kinds,
  type NumberKind,
  oneOf,
  RATE,
  required,
  whole,
} from "../errors/check.ts"
import { EndpointError } from "../errors/endpoint-error.ts"
import { expectedBytesOf, type NumberName, type Settings } from "../settings.ts"
import type { CongestionFactory } from "../congestion/controller.ts"
import { bbr } from "../congestion/bbr/bbr.ts"

export interface EndpointOptions extends BindOptions {
  /** The machine it runs on; default: this one, `systemHost()`. A simulated host makes everything virtual. */
  readonly host?: Host
  /** Cancels the wait for the sockets; ignored once they are bound. */
  readonly signal?: AbortSignal
  /**
   * Both ends must agree. `"checksum"`: CRC-32C against accidents; anyone that reaches the port can take part.
   * `"none"`: for tests. The default is checksums, and sockets only on loopback, as with `"none"`: sockets that others
   * can reach have to be requested explicitly.
   */
  readonly protection?: "none" | "checksum" | "mac" | "aead"
  /**
   * What the members of a group know and nobody else does, 16 bytes or more: the bytes as they are, or text, which is
   * encoded as UTF-8; {@link secretsFrom} reads a file. With secrets, every datagram carries a tag
   * (`protection: "mac"`, then the default) or is encrypted as well (`"aead"`), and others may reach the sockets. We
   * join others with the first secret; others may join with any of them: `[new, old]` moves a group from one to the
   * other, see {@link Endpoint.setSecrets}. Take them from a file or the environment: all users of a machine can read
   * command lines.
   */
  readonly secrets?: readonly (Uint8Array | string)[]
  /**
   * Distinguishes members that share a secret: each has its own key, a join names the key of the peer that it asks for,
   * and both sides prove theirs. Either all members have one, or none.
   */
  readonly identity?: IdentityOptions
  /**
   * Datagrams after which the next key is used, 1,024 to 67,108,864, its default. One longer than 2,048 bytes counts
   * once for each 2,048 bytes begun. Each key is used for at least six seconds.
   */
  readonly rekeyDatagrams?: number
  /** How long a key is used, milliseconds, 1,000 to 86,400,000, default 900,000. */
  readonly rekeyAgeMs?: number
  /**
   * After this many datagrams under one key, because the peer never confirmed the key or datagrams are sent too fast,
   * the peer is lost: at least `rekeyDatagrams`, at most four times its default, which is the default.
   */
  readonly keyDatagramsMax?: number
  /**
   * Bytes of the largest datagrams sent and taken, 548 to 65,507, its default. The lesser value of the two ends counts.
   * Of that, 1,200 bytes are used until probes show that the path carries more, and less where it doesn't carry even
   * those. 1,452 are probed first, which the usual path carries, then what jumbo frames carry; a lower bound than the
   * default is probed first itself, and so are the largest datagrams between processes of one machine. Where the system
   * can't keep datagrams from being fragmented, the default is 1,200.
   */
  readonly datagramBytes?: number
  /**
   * Bytes of the largest message sent or accepted, 1 to `assemblyBytesPerPeer`, and no more than 65,536 pieces carry in
   * datagrams of `datagramBytes`, or of 1,452 bytes where that is 65,507; default 16 MiB. The lesser value of the two
   * ends counts.
   */
  readonly messageBytesMax?: number
  /**
   * Bytes of large messages under way from one peer, `messageBytesMax` to `assemblyBytesMax`, default 32 MiB; an eighth
   * more is for small messages beside them. As with the pools below, each peer has a floor, and gets more of the rest
   * the less others hold.
   */
  readonly assemblyBytesPerPeer?: number
  /**
   * Bytes of large messages under way in all, from `assemblyBytesPerPeer`, default 256 MiB. Less than an eighth more than
   * `messageBytesMax` counts as that: small messages pass beside one of the largest.
   */
  readonly assemblyBytesMax?: number
  /**
   * Early packets that are kept, over all peers; 64 to 1,048,576, default 65,536, some 90 MiB. In this and the next
   * three, a packet longer than 1,452 bytes counts as 8, one longer than 10,000 as 45: what they bound is memory.
   */
  readonly poolPacketsMax?: number
  /** Early packets that are kept from one peer; 16 to 1,048,576, default 16,384. */
  readonly poolPacketsPerPeer?: number
  /** Packets that are written and not acknowledged, over all peers; 64 to 16,777,216, default 65,536, some 80 MiB. */
  readonly sendPoolPacketsMax?: number
  /** Packets that are written and not acknowledged, to one peer; 16 to 16,777,216, default 16,384. */
  readonly sendPoolPacketsPerPeer?: number
  /** Peers at the same time, 1 to 262,144, default 10,000. */
  readonly peersMax?: number
  /**
   * Peers that joined from one host, an IPv4 address or the /64 of an IPv6 address; 1 to `peersMax`, default `peersMax`,
   * and from 64 of them on seven eighths of that. While no more places are left than the rest, a host that has an eighth
   * of the rest gets no other. With `peersMax` there is no rest, and one host may take all places.
   */
  readonly peersPerHostMax?: number
  /** Peers with one static key (`identity`), each its own process or session; 1 to 262,144, default 64. */
  readonly peersPerKeyMax?: number
  /**
   * Joins that were accepted and aren't confirmed, 1 to 65,536, default 1,024. Of more, the oldest one gives way of the
   * host that has most of them; from a host that doesn't have fewer one is dropped, and will be repeated.
   */
  readonly halfOpenMax?: number
  /**
   * Joins from one host, whatever its ports, that were accepted and aren't confirmed; 1 to 65,536, default 256. The /64
   * of an IPv6 address is one host.
   */
  readonly halfOpenPerHostMax?: number
  /** Streams that a peer may have open to us, 1 to 4,294,967,295, default 16,384. */
  readonly streamsMax?: number
  /** Streams of all peers in both directions, 1 to 4,294,967,295, default 262,144. */
  readonly streamsTotalMax?: number
  /**
   * Unacknowledged packets of a stream, 1 to `spreadPackets`, default 1,024, and more as the path needs it. In
   * `best-effort`: unsent packets, and as many again that were sent.
   */
  readonly windowPackets?: number
  /**
   * Unacknowledged bytes of a stream, from 1, default 1 MiB. In `best-effort`: unsent bytes, and as many again that
   * were sent. If neither this nor `windowPackets` is given, the window of a stream that is full grows to twice what the
   * path takes, up to 16 MiB.
   */
  readonly windowBytes?: number
  /** Packets of a stream from the oldest missing to the newest, a power of two from 64 to 65,536, default 16,384. */
  readonly spreadPackets?: number
  /** Messages that may wait for the window, for each stream; from 0, default 1,024. */
  readonly parkedMessagesMax?: number
  /** Bytes of the messages that wait for the window, for each stream; from 0, default 32 MiB. */
  readonly parkedBytesMax?: number
  /**
   * Messages that may wait for a slow consumer, for each stream; from 1, default 1,024. As soon as this or
   * `queuedBytesMax` is reached, no more are accepted.
   */
  readonly queuedMessagesMax?: number
  /** Bytes of the messages that may wait for a slow consumer, for each stream; from 1, default 4 MiB. */
  readonly queuedBytesMax?: number
  /**
   * Bytes of all streams together that wait for their consumers, from 1, default 256 MiB; each message counts for 128
   * more. They count from their copy until their consumer is done with them, even when the stream is over or its peer
   * has left. A peer may have as much as is left for all others, and a stream as much as is left for the others of its
   * peer.
   */
  readonly queuedBytesTotalMax?: number
  /**
   * How long messages of a type that nothing handles or reads wait in the queue of their stream for a handler or
   * reader, milliseconds, 0 to 3,600,000, default 5,000; on an ordered stream the messages after them wait too. Then
   * they are dropped, which `unhandled` reports; 0: at once.
   */
  readonly unclaimedMs?: number
  /** How much is sent, and how fast: `bbr()`, the default, `lossBased()`, `fixed()`, or your own. */
  readonly congestion?: CongestionFactory
  /**
   * Datagrams of usual size that our socket buffer holds until they are read, 64 to 1,048,576; default: what fits
   * SO_RCVBUF as read back. A larger one counts once for each 1,792 bytes. Peers have this many in flight, and what is
   * on the way besides.
   */
  readonly inFlightMax?: number
  /**
   * Bytes of datagrams with data, resends included, that go to all peers together in a second, 1,000 to
   * 1,000,000,000,000; default: no cap. Peers share it by `peer.setShare`. {@link Endpoint.limit} changes it.
   */
  readonly sendRateBytesPerSecondMax?: number
  /** The same to each peer; default: no cap. {@link Peer.limit} changes it for one peer. */
  readonly sendRateBytesPerSecondPerPeer?: number
  /**
   * Bytes of datagrams with data that all peers together are asked to send to us in a second, 1,000 to
   * 1,000,000,000,000; default: no cap. It is divided among them twice a second, by what each of them uses.
   */
  readonly receiveRateBytesPerSecondMax?: number
  /** The same that each peer is asked to send to us at most; default: no cap. */
  readonly receiveRateBytesPerSecondPerPeer?: number
  /** The longest that a status waits, milliseconds, 1 to 1,000, default 25. */
  readonly statusDelayMs?: number
  /**
   * Silence after which a heartbeat is sent, milliseconds, 10 to 60,000 and at most `unreachableMs`, default 1,000;
   * three times as long once the peer has been idle for ten times as long.
   */
  readonly heartbeatMs?: number
  /** Silence after which a peer counts as unreachable, milliseconds, `heartbeatMs` to 3,600,000, default 10,000. */
  readonly unreachableMs?: number
  /** How long a peer stays unreachable before it has left, milliseconds, 0 to 86,400,000, default 60,000. */
  readonly leaveMs?: number
  /**
   * How long a peer may acknowledge nothing and hold packets while other peers wait for memory for theirs, milliseconds,
   * 1,000 to 86,400,000, default 5,000. Then it is left, with the reason `stalled`. It may be silent for longer as long
   * as nobody waits.
   */
  readonly stalledMs?: number
  /** How long a join is tried, milliseconds, 1 to 3,600,000, default 5,000. */
  readonly joinTimeoutMs?: number
  /** How long `close` waits until accepted messages are acknowledged, milliseconds, 0 to 3,600,000, default 5,000. */
  readonly lingerMs?: number
}

/** A member's own key, and the check of others' keys. */
export interface IdentityOptions {
  /**
   * 32 bytes of entropy, kept secret, and kept as long as the member is to be known by the public key that is derived
   * from it; `endpoint.publicKey` returns that.
   */
  readonly privateKey: Uint8Array
  /**
   * Called for each try of another member's join, after it has proved that the key is its own; `false` refuses it. What
   * it throws is reported, and refuses too. Called again about once a second for each peer, and by
   * {@link Endpoint.recheck}: `false` expels a peer that joined us, and one that we joined if it was `true` before, or in
   * `recheck`; what it throws is reported, and changes nothing. So it has to be quick.
   */
  readonly trust: (publicKey: Uint8Array) => boolean
}

/** A window grows up to this many bytes: a round trip of 250 ms at 500 Mbit/s. */
const WINDOW_GROWTH_BYTES_MAX = 16_777_216
const MIB = 1_048_576
/**
 * Datagrams of at most 2^11 bytes under one key; longer ones count as several. Four times as many are the limits of RFC
 * 9001 §B.1.1: 2^28 of 2^11 bytes, 2^23 of 2^16.
 */
const REKEY_DATAGRAMS = 67_108_864
const KEY_DATAGRAMS_FACTOR = 4
const PEERS = 10_000
const PEERS_MAX = 262_144
/** Of so many places or more, this part is for more than one host. */
const HOST_RESERVE_MIN = 64
const HOST_RESERVE_PART = 8
/** Of X25519 (RFC 7748). */
const IDENTITY_KEY_BYTES = 32

/** The range of an option that is a number, and its default. */
interface NumberOption {
  readonly kind: NumberKind
  readonly default: number
}

/**
 * The rows of the table in README.md; a test compares them. Options that depend on other options come after, in
 * {@link settingsOf}.
 */
export const NUMBER_OPTIONS: Readonly<Record<NumberName, NumberOption>> = {
  datagramBytes: { default: DATAGRAM_BYTES_MAX, kind: whole(DATAGRAM_BYTES_FLOOR, DATAGRAM_BYTES_MAX) },
  messageBytesMax: { default: 16 * MIB, kind: whole(1) },
  assemblyBytesPerPeer: { default: 32 * MIB, kind: whole(1) },
  assemblyBytesMax: { default: 256 * MIB, kind: whole(1) },
  poolPacketsMax: { default: 65_536, kind: whole(64, 1_048_576) },
  poolPacketsPerPeer: { default: 16_384, kind: whole(16, 1_048_576) },
  sendPoolPacketsMax: { default: 65_536, kind: whole(64, 16_777_216) },
  sendPoolPacketsPerPeer: { default: 16_384, kind: whole(16, 16_777_216) },
  peersMax: { default: PEERS, kind: whole(1, PEERS_MAX) },
  peersPerHostMax: { default: PEERS - PEERS / HOST_RESERVE_PART, kind: whole(1, PEERS_MAX) },
  peersPerKeyMax: { default: 64, kind: whole(1, PEERS_MAX) },
  halfOpenMax: { default: 1_024, kind: whole(1, 65_536) },
  halfOpenPerHostMax: { default: 256, kind: whole(1, 65_536) },
  streamsMax: { default: 16_384, kind: whole(1, 0xffff_ffff) },
  streamsTotalMax: { default: 262_144, kind: whole(1, 0xffff_ffff) },
  windowPackets: { default: 1_024, kind: whole(1, SPREAD_MAX) },
  windowBytes: { default: MIB, kind: whole(1) },
  spreadPackets: { default: 16_384, kind: powerOfTwo(SPREAD_MIN, SPREAD_MAX) },
  parkedMessagesMax: { default: 1_024, kind: whole(0) },
  parkedBytesMax: { default: 32 * MIB, kind: whole(0) },
  queuedMessagesMax: { default: 1_024, kind: whole(1) },
  queuedBytesMax: { default: 4 * MIB, kind: whole(1) },
  queuedBytesTotalMax: { default: 256 * MIB, kind: whole(1) },
  unclaimedMs: { default: 5_000, kind: whole(0, 3_600_000) },
  statusDelayMs: { default: 25, kind: whole(1, 1_000) },
  heartbeatMs: { default: 1_000, kind: whole(10, 60_000) },
  unreachableMs: { default: 10_000, kind: whole(10, 3_600_000) },
  leaveMs: { default: 60_000, kind: whole(0, 86_400_000) },
  stalledMs: { default: 5_000, kind: whole(1_000, 86_400_000) },
  joinTimeoutMs: { default: 5_000, kind: whole(1, 3_600_000) },
  lingerMs: { default: 5_000, kind: whole(0, 3_600_000) },
  rekeyDatagrams: { default: REKEY_DATAGRAMS, kind: whole(1_024, REKEY_DATAGRAMS) },
  keyDatagramsMax: {
    default: REKEY_DATAGRAMS * KEY_DATAGRAMS_FACTOR,
    kind: whole(1_024, REKEY_DATAGRAMS * KEY_DATAGRAMS_FACTOR),
  },
  rekeyAgeMs: { default: 900_000, kind: whole(1_000, 86_400_000) },
}

const NUMBER_NAMES = Object.keys(NUMBER_OPTIONS) as NumberName[]
const NUMBER_KINDS = Object.fromEntries(NUMBER_NAMES.map((name) => [name, NUMBER_OPTIONS[name].kind])) as Record<
  NumberName,
  NumberKind
>

/** A private or public key of X25519 (RFC 7748). */
export const KEY: Kind<Uint8Array> = {
  takes: `a Uint8Array of ${IDENTITY_KEY_BYTES} bytes`,
  has: (value): value is Uint8Array => value instanceof Uint8Array && value.length === IDENTITY_KEY_BYTES,
}

const OPTIONS: Kinds<EndpointOptions> = {
  ...NUMBER_KINDS,
  ...BIND_OPTIONS,
  host: HOST,
  signal: ABORT_SIGNAL,
  protection: oneOf("none", "checksum", "mac", "aead"),
  // No error may show a secret: `secretsOf` checks them.
  secrets: { takes: "a list of secrets", has: (_value): _value is readonly (Uint8Array | string)[] => true },
  identity: group<IdentityOptions>({
    privateKey: required({ ...KEY, isSecret: true }),
    trust: required(functionThat("says whose public key is welcome")),
  }),
  inFlightMax: whole(IN_FLIGHT_MIN, IN_FLIGHT_MAX),
  sendRateBytesPerSecondMax: RATE,
  sendRateBytesPerSecondPerPeer: RATE,
  receiveRateBytesPerSecondMax: RATE,
  receiveRateBytesPerSecondPerPeer: RATE,
  congestion: functionThat("makes a controller, such as bbr(), lossBased() or fixed() return"),
}

/**
 * Returns the given options, each of its kind, read once. Throws `EndpointError` `invalid-option` that names what is
 * wrong and what would be right.
 */
export function checkedOptions(options: EndpointOptions): EndpointOptions {
  return check.options("bind", options, OPTIONS)
}

/**
 * Makes settings of checked options, with defaults for the rest. Throws `EndpointError` `invalid-option` for options
 * that contradict each other.
 */
export function settingsOf(options: EndpointOptions): Settings {
  const { secrets, protection = secrets === undefined ? "checksum" : "mac", congestion = bbr(), inFlightMax } = options
  const { sendRateBytesPerSecondMax = Infinity, sendRateBytesPerSecondPerPeer = Infinity } = options
  const { receiveRateBytesPerSecondMax = Infinity, receiveRateBytesPerSecondPerPeer = Infinity } = options
  checkSecrets(protection, secrets)
  if (options.identity !== undefined && secrets === undefined)
    throw new EndpointError("invalid-option", "identity needs secrets too: they keep strangers from being looked at")
  const numbers = Object.fromEntries(
    NUMBER_NAMES.map((name) => [name, options[name] ?? NUMBER_OPTIONS[name].default]),
  ) as Record<NumberName, number>
  const within = (name: NumberName, min: number, max?: number): void =>
    void check.value(name, numbers[name], whole(min, max))
  if (options.peersPerHostMax === undefined) numbers.peersPerHostMax = peersPerHostOf(numbers.peersMax)
  within("peersPerHostMax", 1, numbers.peersMax)
  within("messageBytesMax", 1, messageBytesLimit(expectedBytesOf(numbers.datagramBytes) - 64))
  within("assemblyBytesPerPeer", numbers.messageBytesMax)
  within("assemblyBytesMax", numbers.assemblyBytesPerPeer)
  within("windowPackets", 1, numbers.spreadPackets)
  within("unreachableMs", numbers.heartbeatMs, NUMBER_OPTIONS.unreachableMs.kind.max)
  within("keyDatagramsMax", numbers.rekeyDatagrams, NUMBER_OPTIONS.keyDatagramsMax.kind.max)
  // A window that was asked for stays as it is.
  const windowGrowthBytesMax =
    options.windowBytes === undefined && options.windowPackets === undefined ? WINDOW_GROWTH_BYTES_MAX : 0
  return {
    ...{ ...numbers, profile: PROFILE[protection], inFlightMax, congestion, windowGrowthBytesMax },
    ...{ sendRateBytesPerSecondMax, sendRateBytesPerSecondPerPeer },
    ...{ receiveRateBytesPerSecondMax, receiveRateBytesPerSecondPerPeer },
  }
}

/** Few peers are often all on one machine; of many, some are elsewhere. */
function peersPerHostOf(peersMax: number): number {
  return peersMax < HOST_RESERVE_MIN ? peersMax : peersMax - Math.floor(peersMax / HOST_RESERVE_PART)
}

/** Profiles with keys need secrets; the others can't use any. */
function checkSecrets(protection: string, secrets: EndpointOptions["secrets"]): void {
  const hasKeys = protection === "mac" || protection === "aead"
  if (hasKeys && secrets === undefined)
    throw new EndpointError(
      "invalid-option",
      `protection: "${protection}" needs secrets: [secret], the same at all members; x keygen makes one`,
    )
  if (!hasKeys && secrets !== undefined)
    throw new EndpointError(
      "invalid-option",
      `protection: "${protection}" uses no secrets: ask for "mac" or "aead", or leave out the secrets`,
    )
}

function powerOfTwo(min: number, max: number): NumberKind {
  const kind = whole(min, max)
  const has = (value: unknown): value is number => kind.has(value) && (value & (value - 1)) === 0
  return { ...kind, takes: `a power of two from ${min} to ${max}`, has }
}
