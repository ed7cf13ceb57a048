/**
 * `npm run fuzz -- memory`: an endpoint in a process of its own, and others that misuse it, over loopback. How much
 * memory the process takes, how much is left of that once all are gone, and how busy it is when nobody says more.
 */
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { Endpoint, type EndpointOptions } from "@x/endpoint"
import { type Attack, ATTACKS } from "./attacks.ts"
import { sleep } from "./member.ts"
import type { Asked, VictimState } from "./talk.ts"

const MIB = 1_048_576
/** Bounds that can be reached, so that what isn't bounded shows. */
const OPTIONS: EndpointOptions = {
  ...{ protection: "checksum", unreachableMs: 2_000, leaveMs: 2_000, peersMax: 256, peersPerHostMax: 256 },
  ...{ poolPacketsMax: 16_384, poolPacketsPerPeer: 8_192, sendPoolPacketsMax: 16_384, sendPoolPacketsPerPeer: 8_192 },
  ...{ assemblyBytesMax: 64 * MIB, queuedBytesTotalMax: 32 * MIB, streamsMax: 8_192, streamsTotalMax: 32_768 },
}
const POLL_MS = 200
/** Streams of which nothing comes ask for it for 8 s. */
const SETTLE_MS = 10_000
const STANDING_MS = 8_000
/** From when the last peer has left. */
const REST_MS = 20_000
const GIVE_UP_MS = 60_000
const AT_A_TIME = 4
/** Streams of a message each. */
const WARM_STREAMS = 3_000
const WARM_AT_ONCE = 500

const BOUNDS = { residentShare: 1.2, leftBytes: 8 * MIB, standingShare: 0.02 }

interface Measured {
  readonly name: string
  readonly baseBytes: number
  readonly mostBytes: number
  readonly chargedBytes: number
  readonly boundBytes: number
  readonly leftBytes: number
  readonly standingShare: number
  /** What of it exceeds its bound. */
  readonly found: readonly string[]
}

class Victim {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, (state: VictimState) => void>()
  #id = 0

  constructor({ victim = "taking", options }: Attack) {
    const args = [victim, JSON.stringify({ ...OPTIONS, ...options })]
    this.#child = fork(sibling("victim.js"), args, { execArgv: ["--expose-gc"] })
    this.#child.on("message", (state: VictimState) => {
      this.#waiting.get(state.id)?.(state)
      this.#waiting.delete(state.id)
    })
  }

  async ask({ isCollecting = false, isQuiet = false } = {}): Promise<VictimState> {
    const id = this.#id++
    this.#child.send({ id, isCollecting, isQuiet } satisfies Asked)
    return new Promise((resolve) => void this.#waiting.set(id, resolve))
  }

  end(): void {
    this.#child.kill("SIGKILL")
  }
}

function sibling(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url))
}

/** One attack. `restMs`: from when the last peer has left until it is looked at again. */
async function measure(attack: Attack, restMs: number): Promise<Measured> {
  const victim = new Victim(attack)
  let attacker: ChildProcess | undefined
  try {
    const { port } = await victim.ask()
    await warmUp(port, attack)
    const base = await leftBy(victim)
    let [mostBytes, chargedBytes] = [0, 0]
    const note = ({ rssBytes, memory }: VictimState): void => {
      mostBytes = Math.max(mostBytes, rssBytes)
      chargedBytes = Math.max(chargedBytes, memory.total.bytes)
    }
    const polling = setInterval(() => void victim.ask().then(note), POLL_MS)
    attacker = fork(sibling("attacker.js"), [attack.name, String(port)])
    const done = await Promise.race([once(attacker, "message"), once(attacker, "exit"), sleep(GIVE_UP_MS)])
    if (attack.isSuspended === true) attacker.kill("SIGSTOP")
    note(await victim.ask({ isQuiet: true }))
    await sleep(SETTLE_MS)
    clearInterval(polling)
    const before = await victim.ask()
    note(before)
    await sleep(STANDING_MS)
    const after = await victim.ask()
    note(after)
    attacker.kill("SIGKILL")
    const gone = await leftBy(victim)
    await sleep(restMs)
    const rest = await victim.ask({ isCollecting: true })
    if (process.env.MEMORY_DETAILS !== undefined) console.log(JSON.stringify({ before, after, gone, rest }))
    return judge(attack, {
      ...{ baseBytes: base.rssBytes, mostBytes, chargedBytes, boundBytes: base.rssBytes + base.memory.total.bytesMax },
      leftBytes: rest.rssBytes - base.rssBytes,
      stillCharged: rest.memory.total.bytes,
      isDone: Array.isArray(done) && done[0] === "done",
      standingShare: (after.cpuUs - before.cpuUs) / (1_000 * (after.atMs - before.atMs)),
    })
  } finally {
    attacker?.kill("SIGKILL")
    victim.end()
  }
}

/** Usual traffic, so that code is compiled, and the heap has what it needs for that. */
async function warmUp(port: number, { options }: Attack): Promise<void> {
  const { secrets, protection = "checksum" } = options ?? {}
  const own = { v4: "127.0.0.1", v6: false, protection, ...(secrets === undefined ? {} : { secrets }) } as const
  for (let i = 0; i < 3; i++) {
    const endpoint = await Endpoint.bind(own)
    endpoint.handle(1, () => {})
    const peer = await endpoint.join(`127.0.0.1:${port}`, { timeoutMs: GIVE_UP_MS })
    for (let k = 0; k < WARM_STREAMS; k += WARM_AT_ONCE) {
      const streams = Array.from({ length: WARM_AT_ONCE }, () => peer.open())
      await Promise.all(streams.map(async (stream) => stream.send(2, new Uint8Array(1_000))))
      await Promise.all(streams.map(async (stream) => stream.end()))
    }
    await endpoint.close()
  }
}

/** Waits until no peer is left. */
async function leftBy(victim: Victim): Promise<VictimState> {
  const endMs = performance.now() + GIVE_UP_MS
  for (;;) {
    const state = await victim.ask({ isCollecting: true })
    if ((state.peers === 0 && state.joins === 0) || performance.now() > endMs) return state
    await sleep(POLL_MS)
  }
}

function judge(
  { name }: Attack,
  measured: Omit<Measured, "name" | "found"> & { readonly stillCharged: number; readonly isDone: boolean },
): Measured {
  const { mostBytes, boundBytes, leftBytes, standingShare, stillCharged, isDone } = measured
  const found = [
    ...(isDone ? [] : ["attackers that did not get through"]),
    ...(mostBytes > BOUNDS.residentShare * boundBytes ? ["too much memory"] : []),
    ...(leftBytes > BOUNDS.leftBytes ? ["memory that stays"] : []),
    ...(standingShare > BOUNDS.standingShare ? ["work that stays"] : []),
    ...(stillCharged > 0 ? [`${stillCharged} B that are still charged`] : []),
  ]
  return { ...measured, name, found }
}

/** Runs those whose names contain one of the words, or all; prints a table. Returns how many exceed a bound. */
export async function measureMemory(words: readonly string[], seconds: number | undefined): Promise<number> {
  const chosen = ATTACKS.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)))
  console.log("memory: MiB resident: before, most (charged; bound), left after all have gone; standing CPU")
  let found = 0
  const rest = chosen.values()
  const runSome = async (): Promise<void> => {
    for (const attack of rest) {
      const it = await measure(attack, seconds === undefined ? REST_MS : 1_000 * seconds)
      if (it.found.length > 0) found++
      console.log(rowOf(it))
    }
  }
  // Most of the time they wait.
  await Promise.all(Array.from({ length: AT_A_TIME }, runSome))
  return found
}

function rowOf({ baseBytes, mostBytes, chargedBytes, boundBytes, leftBytes, ...it }: Measured): string {
  const mib = (bytes: number): string => (bytes / MIB).toFixed(0).padStart(4)
  const memory = `${mib(baseBytes)} ${mib(mostBytes)} (${mib(chargedBytes)}; ${mib(boundBytes)}) ${mib(leftBytes)}`
  const found = it.found.length > 0 ? `: FOUND ${it.found.join(", ")}` : ""
  return `${memory}  ${(100 * it.standingShare).toFixed(1).padStart(5)} %  ${it.name}${found}`
}
