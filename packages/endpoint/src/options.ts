/**
 * What an endpoint can be told, with defaults and why.
 *
 * @module
 */

import { type BindOptions, type Host, parseHost } from "@x/transport/host"
import { messageBytesLimit } from "@x/fragment"
import {
  DATAGRAM_BYTES_BASE,
  DATAGRAM_BYTES_FLOOR,
  DATAGRAM_BYTES_MAX,
  IN_FLIGHT_MAX,
  IN_FLIGHT_MIN,
  PROFILE,
  type Profile,
  SPREAD_MAX,
  SPREAD_MIN,
} from "@x/wire"
import { EndpointError } from "./endpoint-error.ts"
import { isLoopback } from "./loopback.ts"
import { type CongestionFactory, lossBased } from "./protocol/congestion.ts"

export interface EndpointOptions extends BindOptions {
  /** The machine it runs on; default: this one, `systemHost()`. A simulated host makes everything virtual. */
  readonly host?: Host
  /**
   * Both ends must agree. `"checksum"`: CRC-32C against accidents; whoever reaches the port can take part. `"none"`: for tests. By default checksums, and
   * sockets on loopback only, as with `"none"`: what others can reach is to be asked for by name.
   */
  readonly protection?: "none" | "checksum" | "mac" | "aead"
  /**
   * What the members of a group know and nobody else, 16 bytes or more: the bytes as they are, or text, which is taken as UTF-8; {@link secretsFrom} reads a file. Given, every
   * datagram carries a tag (`protection: "mac"`, the default then) or is encrypted as well (`"aead"`), and sockets may be reached by others. The first is used to join others,
   * each is good for others to join: `[new, old]` goes from one to the other, see {@link Endpoint.setSecrets}. From a file or the environment, please: a command
   * line can be read by all users of a machine.
   */
  readonly secrets?: readonly (Uint8Array | string)[]
  /**
   * Tells members from each other, beside the secret that they share: each has a key of its own, joins name the key of whom they ask for, and it is shown on both
   * sides. All members have one, or none.
   */
  readonly identity?: IdentityOptions
  /**
   * Datagrams after which the next key is taken, 1,024 to 67,108,864; default: that many, 2,097,152 where `datagramBytes` is more than 2,048. Each key is used for six
   * seconds at least.
   */
  readonly rekeyDatagrams?: number
  /** And how long one is used, milliseconds, 1,000 to 86,400,000, default 900,000. */
  readonly rekeyAgeMs?: number
  /**
   * With so many under one key, because the peer never told of it or they are sent too fast, the peer is lost: at least `rekeyDatagrams`, at most four times its
   * default, which is the default.
   */
  readonly keyDatagramsMax?: number
  /** Bytes of the datagrams sent, 548 to 65,507; default 1200, which every path carries. More only where both ends and the path are known to take it. */
  readonly datagramBytes?: number
  /** Bytes of the largest message sent or taken; default 16 MiB. */
  readonly messageBytesMax?: number
  /** Memory for large messages under way: from one peer, default 32 MiB, and in all, default 256 MiB. Never below the largest message. */
  readonly assemblyBytesPerPeer?: number
  readonly assemblyBytesMax?: number
  /** Packets kept until their turn comes, over all peers; default 16,384. */
  readonly poolPacketsMax?: number
  /** And from one peer; default 4,096. */
  readonly poolPacketsPerPeer?: number
  /** Packets written and not acknowledged, over all peers; default 65,536, some 80 MiB. */
  readonly sendPoolPacketsMax?: number
  /** And to one peer; default 16,384. */
  readonly sendPoolPacketsPerPeer?: number
  /** Peers at a time, default 10,000; half-open joins among them, default 1,024. */
  readonly peersMax?: number
  readonly halfOpenMax?: number
  /** Half-open joins from one host, whatever its ports; default 256. A join above it is dropped: it will be said again. */
  readonly halfOpenPerHostMax?: number
  /** Streams that a peer may have open towards us, default 16,384. */
  readonly streamsMax?: number
  /** Streams of all peers in both directions, default 262,144. */
  readonly streamsTotalMax?: number
  /** Unacknowledged packets and bytes of a stream, default 1024 and 1 MiB. */
  readonly windowPackets?: number
  readonly windowBytes?: number
  /** Packets of a stream from the oldest missing to the newest, a power of two, default 16,384. */
  readonly spreadPackets?: number
  /** Messages and bytes that may wait for the window, for each stream; default 1,024 and 32 MiB. */
  readonly parkedMessagesMax?: number
  readonly parkedBytesMax?: number
  /** Messages and bytes that may wait for a consumer that is behind, for each stream: default 1,024 and 4 MiB. As soon as one is reached no more is taken. */
  readonly queuedMessagesMax?: number
  readonly queuedBytesMax?: number
  /** And bytes of all streams together, default 256 MiB. */
  readonly queuedBytesTotalMax?: number
  /** How much goes out, and how fast: `lossBased()`, the default, or `fixed()`, or your own. */
  readonly congestion?: CongestionFactory
  /** Datagrams in flight towards us that our socket buffer takes, 64 to 1,048,576; default: what SO_RCVBUF as read back holds. */
  readonly inFlightMax?: number
  /** The longest a status waits, milliseconds, default 25. */
  readonly statusDelayMs?: number
  /** A heartbeat after so much silence, default 1,000, and once idle for ten times as long, after three times as long. */
  readonly heartbeatMs?: number
  /** Silence after which a peer counts as unreachable, default 10,000, and has left, default 60,000 later. */
  readonly unreachableMs?: number
  readonly leaveMs?: number
  /** How long a join is tried, default 5,000. */
  readonly joinTimeoutMs?: number
  /** How long `close` waits for what was accepted to be acknowledged, default 5,000. */
  readonly lingerMs?: number
}

export interface IdentityOptions {
  /** 32 bytes of entropy, kept secret and for as long as one wants to be known by the public key that is made of it; `endpoint.publicKey` tells that. */
  readonly privateKey: Uint8Array
  /** Asked for each try of a join of somebody else, after he has shown that the key is his; `false` refuses it. What it throws is surfaced, and refuses too. */
  readonly trust: (publicKey: Uint8Array) => boolean
}

export type Settings = Required<
  Omit<EndpointOptions, keyof BindOptions | "host" | "protection" | "secrets" | "identity" | "inFlightMax" | "congestion">
> & {
  readonly profile: Profile
  readonly congestion: CongestionFactory
  readonly inFlightMax: number | undefined
}

const MIB = 1_048_576
/** Datagrams under one key, and where they may be long. Four times as many are the limits of RFC 9001 §B.1.1: 2^28 of at most 2^11 bytes, 2^23 longer ones. */
const REKEY_DATAGRAMS = 67_108_864
const REKEY_DATAGRAMS_LONG = 2_097_152
const KEY_DATAGRAMS_FACTOR = 4
const LONG_BYTES = 2_048
/** Of X25519 (RFC 7748). */
const IDENTITY_KEY_BYTES = 32

const DEFAULTS: Omit<Settings, "profile" | "inFlightMax" | "congestion"> = {
  datagramBytes: DATAGRAM_BYTES_BASE,
  messageBytesMax: 16 * MIB,
  assemblyBytesPerPeer: 32 * MIB,
  assemblyBytesMax: 256 * MIB,
  poolPacketsMax: 16_384,
  poolPacketsPerPeer: 4_096,
  sendPoolPacketsMax: 65_536,
  sendPoolPacketsPerPeer: 16_384,
  peersMax: 10_000,
  halfOpenMax: 1_024,
  halfOpenPerHostMax: 256,
  streamsMax: 16_384,
  streamsTotalMax: 262_144,
  queuedMessagesMax: 1_024,
  queuedBytesMax: 4 * MIB,
  queuedBytesTotalMax: 256 * MIB,
  windowPackets: 1_024,
  windowBytes: MIB,
  spreadPackets: 16_384,
  parkedMessagesMax: 1_024,
  parkedBytesMax: 32 * MIB,
  statusDelayMs: 25,
  heartbeatMs: 1_000,
  unreachableMs: 10_000,
  leaveMs: 60_000,
  joinTimeoutMs: 5_000,
  lingerMs: 5_000,
  rekeyDatagrams: REKEY_DATAGRAMS,
  keyDatagramsMax: REKEY_DATAGRAMS * KEY_DATAGRAMS_FACTOR,
  rekeyAgeMs: 900_000,
}

const KNOWN = new Set([
  ...Object.keys(DEFAULTS),
  "host",
  "port",
  "v4",
  "v6",
  "receiveBufferBytes",
  "sendBufferBytes",
  "protection",
  "secrets",
  "identity",
  "inFlightMax",
  "congestion",
])

/** The options with defaults; throws `EndpointError` `invalid-option` naming what is wrong and what would be right. */
export function settingsOf(options: EndpointOptions): Settings {
  for (const name of Object.keys(options))
    if (!KNOWN.has(name)) throw invalid(name, `one of ${[...KNOWN].toSorted().join(", ")}`, "an option")
  const given = Object.fromEntries(Object.entries(options).filter(([name, value]) => name in DEFAULTS && value !== undefined))
  const protection = options.protection ?? (options.secrets === undefined ? "checksum" : "mac")
  if (!Object.hasOwn(PROFILE, protection)) throw invalid("protection", `"none", "checksum", "mac" or "aead"`, protection)
  checkSecrets(protection, options.secrets)
  checkIdentity(options)
  const { congestion = lossBased() } = options
  if (typeof congestion !== "function")
    throw invalid("congestion", "what lossBased() or fixed() returns, or a function of your own", congestion)
  const rekeyDatagrams = (options.datagramBytes ?? 0) > LONG_BYTES ? REKEY_DATAGRAMS_LONG : REKEY_DATAGRAMS
  const settings: Settings = {
    ...DEFAULTS,
    rekeyDatagrams,
    keyDatagramsMax: rekeyDatagrams * KEY_DATAGRAMS_FACTOR,
    ...given,
    profile: PROFILE[protection],
    inFlightMax: options.inFlightMax,
    congestion,
  }
  within(settings, "datagramBytes", DATAGRAM_BYTES_FLOOR, DATAGRAM_BYTES_MAX)
  within(settings, "messageBytesMax", 1, messageBytesLimit(settings.datagramBytes - 64))
  within(settings, "assemblyBytesPerPeer", settings.messageBytesMax, Number.MAX_SAFE_INTEGER)
  within(settings, "assemblyBytesMax", settings.assemblyBytesPerPeer, Number.MAX_SAFE_INTEGER)
  within(settings, "poolPacketsMax", 64, 1_048_576)
  within(settings, "poolPacketsPerPeer", 16, 1_048_576)
  within(settings, "sendPoolPacketsMax", 64, 16_777_216)
  within(settings, "sendPoolPacketsPerPeer", 16, 16_777_216)
  within(settings, "halfOpenPerHostMax", 1, 65_536)
  within(settings, "peersMax", 1, 262_144)
  within(settings, "halfOpenMax", 1, 65_536)
  within(settings, "streamsMax", 1, 0xffff_ffff)
  within(settings, "streamsTotalMax", 1, 0xffff_ffff)
  within(settings, "queuedMessagesMax", 1, Number.MAX_SAFE_INTEGER)
  within(settings, "queuedBytesMax", 1, Number.MAX_SAFE_INTEGER)
  within(settings, "queuedBytesTotalMax", 1, Number.MAX_SAFE_INTEGER)
  within(settings, "spreadPackets", SPREAD_MIN, SPREAD_MAX)
  if ((settings.spreadPackets & (settings.spreadPackets - 1)) !== 0)
    throw invalid("spreadPackets", "a power of two", settings.spreadPackets)
  within(settings, "windowPackets", 1, settings.spreadPackets)
  within(settings, "windowBytes", 1, Number.MAX_SAFE_INTEGER)
  within(settings, "parkedMessagesMax", 0, Number.MAX_SAFE_INTEGER)
  within(settings, "parkedBytesMax", 0, Number.MAX_SAFE_INTEGER)
  within(settings, "statusDelayMs", 1, 1_000)
  within(settings, "heartbeatMs", 10, 60_000)
  within(settings, "unreachableMs", settings.heartbeatMs, 3_600_000)
  within(settings, "leaveMs", 0, 86_400_000)
  within(settings, "joinTimeoutMs", 1, 3_600_000)
  within(settings, "lingerMs", 0, 3_600_000)
  within(settings, "rekeyDatagrams", 1_024, rekeyDatagrams)
  within(settings, "keyDatagramsMax", settings.rekeyDatagrams, rekeyDatagrams * KEY_DATAGRAMS_FACTOR)
  within(settings, "rekeyAgeMs", 1_000, 86_400_000)
  if (settings.inFlightMax !== undefined && !isWhole(settings.inFlightMax, IN_FLIGHT_MIN, IN_FLIGHT_MAX))
    throw invalid("inFlightMax", `a whole number from ${IN_FLIGHT_MIN} to ${IN_FLIGHT_MAX}`, settings.inFlightMax)
  return settings
}

/** Profiles with keys need secrets, and the others have no use for any. */
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

function checkIdentity({ identity, secrets }: EndpointOptions): void {
  if (identity === undefined) return
  if (secrets === undefined)
    throw new EndpointError("invalid-option", "identity needs secrets too: they keep strangers from being looked at")
  if (!isKey(identity.privateKey) || typeof identity.trust !== "function")
    throw new EndpointError("invalid-option", `identity must have a privateKey of ${IDENTITY_KEY_BYTES} bytes and a function trust`)
}

/** Whether it may be a private or public key. */
export function isKey(key: unknown): key is Uint8Array {
  return key instanceof Uint8Array && key.length === IDENTITY_KEY_BYTES
}

/**
 * What the transport is asked to bind: loopback, unless there are secrets or `"checksum"` was asked for by name. Throws `EndpointError` `invalid-option` for another address
 * without it.
 */
export function bindOptionsOf({ port, v4, v6, receiveBufferBytes, sendBufferBytes, protection, secrets }: EndpointOptions): BindOptions {
  const isOpen = protection === "checksum" || secrets !== undefined
  if (!isOpen) {
    checkLoopback("v4", v4)
    checkLoopback("v6", v6)
  }
  const asked = {
    port,
    v4: v4 ?? (isOpen ? undefined : "127.0.0.1"),
    v6: v6 ?? (isOpen ? undefined : "::1"),
    receiveBufferBytes,
    sendBufferBytes,
  }
  return Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined))
}

/** What is no address at all is the transport's to refuse. */
function checkLoopback(name: "v4" | "v6", host: string | false | undefined): void {
  if (host === undefined || host === false) return
  if (parseHost(host) === undefined || isLoopback(host)) return
  throw new EndpointError(
    "invalid-option",
    `${name} must be a loopback address (127.0.0.1, ::1), not ${host}, where others can reach it: give secrets, which x keygen makes, or ask for protection: "checksum" by name if everybody who can is welcome`,
  )
}

function within(settings: Settings, name: keyof typeof DEFAULTS, min: number, max: number): void {
  if (!isWhole(settings[name], min, max)) throw invalid(name, `a whole number from ${min} to ${max}`, settings[name])
}

function isWhole(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max
}

function invalid(name: string, should: string, is: unknown): EndpointError {
  return new EndpointError("invalid-option", `${name} must be ${should}, not ${String(is)}`)
}
