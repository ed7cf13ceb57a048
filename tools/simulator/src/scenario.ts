/**
 * The world of a seed. It is drawn before anything happens, and it can be printed. Seeds differ in which faults there
 * are at all (most seeds have some of them, some none, some all), how strong these are, the options of the nodes, and
 * what the nodes do.
 *
 * @module
 */

import { bbr, type Delivery, type EndpointOptions, fixed, lossBased } from "@x/endpoint"
import { type LinkOptions, type PresetName, PRESETS } from "@x/transport/simulated"
import { MESSAGE_BYTES_MAX } from "./content.ts"
import { drawGuests, type GuestScenario } from "./guest-scenario.ts"
import { drawMix, type MixScenario } from "./mix-scenario.ts"
import { drawPaths, type PathScenario } from "./path-scenario.ts"
import { deliveriesDrawn, Draw } from "@x/testkit"

/** What happens to processes and paths, in addition to the constant faults of links. */
export const DISASTERS = [
  "crash",
  "close",
  "leave",
  "partition",
  "one-way",
  "clog",
  "stall",
  "suspend",
  "clock-jump",
  "send-error",
  "full-socket",
  "narrow-path",
  "mute",
  "weather",
] as const
export type Disaster = (typeof DISASTERS)[number]

/** What the application does beside its streams: aborted calls, orderly ends, and handles that survive restarts. */
export const DOINGS = ["aborts", "closes", "connections", "short-lived"] as const
export type Doing = (typeof DOINGS)[number]

const SECRETS = ["a secret of the simulated world", "another one, which is as good"]

export interface Scenario extends PathScenario, GuestScenario, MixScenario {
  readonly seed: number
  readonly nodes: number
  /** The path in each direction, without faults. */
  readonly path: Pick<LinkOptions, "delayMs" | "jitterMs" | "rateBitsPerSecond" | "queueBytes">
  /** The faults of links, until the network heals. */
  readonly faults: LinkOptions
  /** Mean milliseconds between two disasters of a kind. */
  readonly disasters: Partial<Record<Disaster, number>>
  /**
   * The same for the doings of a node. Drawn separately, so that a seed without doings has the world it would have
   * without this feature.
   */
  readonly doings: Partial<Record<Doing, number>>
  readonly controller: keyof typeof CONTROLLERS
  /** The options of all endpoints. */
  readonly options: EndpointOptions
  readonly traffic: Traffic
  /** Bounds of durations: of a partition, a clog, a stall. */
  readonly durationMs: readonly [number, number]
}

export interface Traffic {
  /** Mean milliseconds between two doings of a node. */
  readonly intervalMs: number
  /** The most messages offered at once. */
  readonly burst: number
  readonly deliveries: readonly Delivery[]
  readonly streamsPerPeer: number
  /** Bytes of the largest message. */
  readonly bytesMax: number
  /** How many of a hundred doings of a node aren't sends. */
  readonly oddities: number
  /** The longest that a consumer takes for a message. */
  readonly handlingMs: number
}

const CONTROLLERS: Readonly<Record<"bbr" | "loss-based" | "fixed", NonNullable<EndpointOptions["congestion"]>>> = {
  bbr: bbr(),
  "loss-based": lossBased(),
  fixed: fixed({ windowBytes: 262_144 }),
}

const DELIVERIES = deliveriesDrawn()

export function drawScenario(seed: number, preset?: PresetName): Scenario {
  const draw = new Draw(seed, "scenario")
  // Some seeds are calm, some are vicious: the probability that a fault occurs at all.
  const viciousness = draw.pick([0, 0.15, 0.3, 0.5, 0.8])
  const nodes = draw.weighted([
    [25, 2],
    [30, 3],
    [20, 4],
    [10, 5],
    [6, 6],
    [5, 7],
    [4, 8],
  ])
  const { path, faults } = drawLinks(draw, viciousness)
  const given: LinkOptions | undefined = preset === undefined ? undefined : PRESETS[preset]
  const isSmall = draw.chance(viciousness / 2)
  const controller = draw.pick(["bbr", "bbr", "loss-based", "fixed"] as const)
  const bytesMax = draw.weighted([
    [50, 2_000],
    [30, 20_000],
    [14, 200_000],
    [6, MESSAGE_BYTES_MAX],
  ])
  const { guests } = drawGuests(new Draw(seed, "guests"))
  return {
    seed,
    nodes,
    path: given === undefined ? path : pathOf(given),
    faults: given === undefined ? faults : faultsOf(given),
    disasters: drawDisasters(draw, viciousness),
    doings: drawDoings(new Draw(seed, "doings")),
    // From a generator of their own too.
    ...drawPaths(new Draw(seed, "path faults"), nodes),
    guests,
    ...drawMix(new Draw(seed, "topics and requests"), nodes),
    controller,
    options: {
      ...drawOptions(draw, isSmall, bytesMax, controller),
      ...drawProtection(new Draw(seed, "protection")),
      ...(guests.length > 0 ? roomBeside(bytesMax) : {}),
    },
    traffic: {
      intervalMs: draw.scale(60, 400) * nodes,
      burst: draw.whole(2, 24),
      deliveries: draw.chance(0.5) ? DELIVERIES : [draw.pick(DELIVERIES), draw.pick(DELIVERIES)],
      streamsPerPeer: draw.whole(1, 4),
      bytesMax,
      oddities: draw.pick([2, 8, 25]),
      handlingMs: draw.pick([0, 5, 100, 2_000]),
    },
    durationMs: draw.pick([
      [10, 500],
      [100, 5_000],
      [1_000, 30_000],
    ]),
  }
}

function drawLinks(draw: Draw, viciousness: number): Pick<Scenario, "path" | "faults"> {
  const delayMs = draw.scale(0.1, 120)
  const path = {
    delayMs,
    jitterMs: draw.chance(0.7) ? delayMs * draw.uniform(0, 0.5) : 0,
    ...(draw.chance(0.6)
      ? { rateBitsPerSecond: draw.scale(4_000_000, 1_000_000_000), queueBytes: draw.scale(65_536, 1_048_576) }
      : {}),
  }
  const on = (): boolean => draw.chance(viciousness)
  const faults: LinkOptions = {
    ...(on() ? { lossRate: draw.scale(0.001, 0.3) } : {}),
    ...(on()
      ? {
          burst: {
            enterRate: draw.scale(0.001, 0.03),
            leaveRate: draw.scale(0.03, 0.5),
            lossRate: draw.uniform(0.3, 1),
          },
        }
      : {}),
    ...(on() ? { duplicateRate: draw.scale(0.01, 0.5) } : {}),
    ...(on() ? { reorderRate: draw.scale(0.01, 0.5), reorderDelayMs: draw.scale(1, 2_000) } : {}),
    ...(on() ? { corruptRate: draw.scale(0.001, 0.3) } : {}),
    ...(on() ? { replayRate: draw.scale(0.001, 0.3), replayDelayMs: draw.scale(100, 120_000) } : {}),
  }
  return { path, faults }
}

function drawDisasters(draw: Draw, viciousness: number): Scenario["disasters"] {
  const disasters: Partial<Record<Disaster, number>> = {}
  for (const disaster of DISASTERS) if (draw.chance(viciousness * 0.7)) disasters[disaster] = draw.scale(5_000, 120_000)
  return disasters
}

function drawDoings(draw: Draw): Scenario["doings"] {
  const doings: Partial<Record<Doing, number>> = {}
  // Closing ends everything that the other doings began.
  for (const doing of DOINGS)
    if (draw.chance(0.35)) doings[doing] = (doing === "closes" ? 20 : 1) * draw.scale(500, 5_000)
  return doings
}

/** `isSmall`: limits that are reached all the time. */
function drawOptions(
  draw: Draw,
  isSmall: boolean,
  bytesMax: number,
  controller: Scenario["controller"],
): EndpointOptions {
  const heartbeatMs = draw.pick([200, 1_000, 1_000, 3_000])
  const messageBytesMax = Math.max(bytesMax, 65_536)
  return {
    messageBytesMax,
    heartbeatMs,
    congestion: CONTROLLERS[controller],
    datagramBytes: draw.pick([548, 1_200, 1_200, 1_200, 1_452, 8_952]),
    unreachableMs: heartbeatMs * draw.pick([4, 10]),
    leaveMs: draw.pick([5_000, 20_000, 60_000]),
    statusDelayMs: draw.pick([1, 25, 25, 100]),
    joinTimeoutMs: draw.pick([2_000, 5_000]),
    lingerMs: draw.pick([0, 1_000, 5_000]),
    parkedMessagesMax: draw.pick([4, 64, 256]),
    parkedBytesMax: Math.max(messageBytesMax, 1_048_576),
    assemblyBytesPerPeer: messageBytesMax * (isSmall ? 1 : 4),
    assemblyBytesMax: messageBytesMax * (isSmall ? 1 : 16),
    queuedMessagesMax: draw.pick([2, 64, 1_024]),
    queuedBytesTotalMax: isSmall ? 65_536 : 16_777_216,
    windowPackets: draw.pick([8, 64, 256, 1_024]),
    spreadPackets: draw.pick([1_024, 4_096]),
    poolPacketsMax: isSmall ? draw.pick([64, 128]) : 4_096,
    poolPacketsPerPeer: isSmall ? draw.pick([16, 64]) : 2_048,
    sendPoolPacketsMax: isSmall ? draw.pick([64, 256]) : 16_384,
    sendPoolPacketsPerPeer: isSmall ? draw.pick([16, 64]) : 4_096,
    receiveBufferBytes: isSmall ? draw.pick([65_536, 262_144]) : 4_194_304,
  }
}

/**
 * Where one message of the largest size fills the memory for messages under way, there is nothing that could be left to
 * others.
 */
function roomBeside(bytesMax: number): EndpointOptions {
  const messageBytesMax = Math.max(bytesMax, 65_536)
  return { assemblyBytesPerPeer: messageBytesMax, assemblyBytesMax: 16 * messageBytesMax }
}

/** One world in four has keys, which change all the time. */
function drawProtection(draw: Draw): EndpointOptions {
  if (!draw.chance(0.25)) return {}
  const protection = draw.pick(["mac", "aead"] as const)
  return {
    protection,
    secrets: draw.chance(0.5) ? [SECRETS[0]!] : SECRETS,
    rekeyDatagrams: draw.pick([1_024, 65_536]),
    rekeyAgeMs: draw.pick([1_000, 20_000]),
  }
}

function pathOf({ delayMs = 0, jitterMs = 0, rateBitsPerSecond, queueBytes = 262_144 }: LinkOptions): Scenario["path"] {
  return { delayMs, jitterMs, ...(rateBitsPerSecond === undefined ? {} : { rateBitsPerSecond, queueBytes }) }
}

function faultsOf({
  delayMs: _delay,
  jitterMs: _jitter,
  rateBitsPerSecond: _rate,
  queueBytes: _queue,
  ...faults
}: LinkOptions): LinkOptions {
  return faults
}
