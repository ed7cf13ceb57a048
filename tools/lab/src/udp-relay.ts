/**
 * A place on loopback, for machines that can't make network namespaces: each flow's datagrams go through a relay of UDP
 * sockets in this process. Each of the two ends and each face of the relay has a loopback address of its own, so that
 * a library that knows only the other's port is served too.
 */

import { createSocket, type Socket } from "node:dgram"
import type { Role } from "@x/bench/network"
import { type Loss, PathDirection } from "./path.ts"
import type { Change, Counts, Place, PlaceOptions, RelayStats } from "./place.ts"

const RECEIVER = "127.0.0.1"
const SENDER = "127.0.0.2"
/** What each end takes for the other. */
const FACE_OF_SENDER = "127.0.0.3"
const FACE_OF_RECEIVER = "127.0.0.4"
/** IPv4 and UDP: the path counts IP packets. */
const HEADER_BYTES = 28
const SOCKET_BYTES = 8 << 20

/** The reason why this machine can't do it, if there is one. */
export const udpRelayLacks = (): string | undefined =>
  process.platform === "linux" ? undefined : "the relay on loopback needs addresses such as 127.0.0.2, which Linux has"

interface Flow {
  /** The sockets that the receiver and the sender talk to, and where they send from. */
  towardsReceiver: Socket
  readonly towardsSender: Socket
  readonly port: number
  senderPort: number
}

interface Waiting {
  readonly dueMs: number
  readonly send: () => void
}

type Which = "there" | "back"

export class UdpRelay implements Place {
  readonly #flows: Flow[] = []
  readonly #paths: Readonly<Record<Which, PathDirection>>
  readonly #counts: Record<Which, { arrived: number; delivered: number; lostNat: number }> = {
    there: { arrived: 0, delivered: 0, lostNat: 0 },
    back: { arrived: 0, delivered: 0, lostNat: 0 },
  }
  readonly #waiting: Record<Which, Waiting[]> = { there: [], back: [] }
  readonly #lateUs: number[] = []
  #timer: NodeJS.Timeout | undefined
  #isScheduled = false
  #isRemoved = false

  constructor({ path, seed }: PlaceOptions) {
    this.#paths = {
      there: new PathDirection(path.there, seed, "there"),
      back: new PathDirection(path.back, seed, "back"),
    }
  }

  endsOf(_flow: number, role: Role): { readonly own: string; readonly other: string } {
    return role === "send" ? { own: SENDER, other: FACE_OF_RECEIVER } : { own: RECEIVER, other: FACE_OF_SENDER }
  }

  prefixOf(): readonly string[] {
    return []
  }

  useCongestionControl(): void {
    throw new Error("TCP doesn't go through a relay of UDP sockets")
  }

  async connect(flow: number, port: number): Promise<void> {
    const towardsSender = await bound(FACE_OF_RECEIVER, port)
    // A library without a handshake knows the sender by this port.
    const towardsReceiver = await bound(FACE_OF_SENDER, port + 1)
    const it: Flow = { towardsReceiver, towardsSender, port, senderPort: port + 1 }
    this.#flows[flow] = it
    towardsSender.on("message", (bytes, { port: from }) => {
      it.senderPort = from
      this.#offer("there", bytes, () => it.towardsReceiver.send(bytes, it.port, RECEIVER))
    })
    this.#listen(it)
  }

  async change(change: Change): Promise<void> {
    switch (change.what) {
      case "path":
        this.#paths.there.settings = { ...this.#paths.there.settings, ...change.direction }
        return
      case "rebind":
        return this.#rebind()
      case "rebind-every":
        clearInterval(this.#timer)
        if (change.everyMs > 0) this.#timer = setInterval(() => void this.#rebind(), change.everyMs)
        return
      case "move":
        throw new Error("an interface can't change on loopback")
    }
  }

  async stats(): Promise<RelayStats> {
    const sorted = this.#lateUs.toSorted((a, b) => a - b)
    const at = (share: number): number => sorted[Math.floor(share * sorted.length)] ?? 0
    const of = (which: Which): Counts => {
      const lost = (why: Loss): number => this.#paths[which].lost[why]
      const own = {
        lostBefore: lost("before"),
        lostBehind: lost("behind"),
        lostQueue: lost("queue"),
        lostMtu: lost("mtu"),
      }
      return { ...this.#counts[which], ...own, lostCodel: 0, marked: 0 }
    }
    return { there: of("there"), back: of("back"), late: { p50Us: at(0.5), p99Us: at(0.99) } }
  }

  async remove(): Promise<void> {
    this.#isRemoved = true
    clearInterval(this.#timer)
    for (const { towardsReceiver, towardsSender } of this.#flows)
      for (const it of [towardsReceiver, towardsSender]) it.close()
  }

  /** The receiver's answers; those to a port that was given up are lost with its socket. */
  #listen(flow: Flow): void {
    const socket = flow.towardsReceiver
    socket.on("message", (bytes) =>
      this.#offer("back", bytes, () => {
        if (flow.towardsReceiver === socket) flow.towardsSender.send(bytes, flow.senderPort, SENDER)
        else this.#counts.back.lostNat++
      }),
    )
  }

  /** Each flow comes to its receiver from another port. */
  async #rebind(): Promise<void> {
    for (const flow of this.#flows) {
      const next = await bound(FACE_OF_SENDER, 0)
      if (this.#isRemoved) return void next.close()
      const before = flow.towardsReceiver
      flow.towardsReceiver = next
      this.#listen(flow)
      before.close()
    }
  }

  #offer(which: Which, bytes: Uint8Array, send: () => void): void {
    this.#counts[which].arrived++
    const dueMs = this.#paths[which].offer(bytes.length + HEADER_BYTES, performance.now())
    if (typeof dueMs === "string") return
    const waiting = this.#waiting[which]
    let at = waiting.length
    while (at > 0 && waiting[at - 1]!.dueMs > dueMs) at--
    waiting.splice(at, 0, { dueMs, send })
    this.#schedule()
  }

  /** Node's timers are too coarse: it looks in each turn as long as something is under way. */
  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      if (this.#isRemoved) return
      for (const which of ["there", "back"] as const) this.#deliver(which)
      if (this.#waiting.there.length + this.#waiting.back.length > 0) this.#schedule()
    })
  }

  #deliver(which: Which): void {
    const waiting = this.#waiting[which]
    const nowMs = performance.now()
    let count = 0
    while (count < waiting.length && waiting[count]!.dueMs <= nowMs) {
      const { send, dueMs } = waiting[count++]!
      send()
      this.#counts[which].delivered++
      if (this.#lateUs.length < 100_000) this.#lateUs.push(Math.round((nowMs - dueMs) * 1_000))
    }
    if (count > 0) waiting.splice(0, count)
  }
}

function bound(address: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket({
      type: "udp4",
      recvBufferSize: SOCKET_BYTES,
      sendBufferSize: SOCKET_BYTES,
      lookup: (name, _, callback) => callback(null, name, 4),
    })
    socket.once("error", reject)
    socket.bind(port, address, () => {
      // A datagram that isn't taken is lost, as on any path.
      socket.off("error", reject).on("error", () => {})
      resolve(socket)
    })
  })
}
