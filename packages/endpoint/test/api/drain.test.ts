import { REASON } from "@x/wire"
import { expect, test } from "vitest"
import { Drain } from "../../src/api/drain.ts"
import type { IncomingHandle } from "../../src/api/incoming-stream.ts"
import type { PeerState } from "../../src/peer/peer-state.ts"

const LINGER_MS = 100

/** A driver whose time passes in whole milliseconds while something waits, and one stream to one peer. */
class World {
  nowMs = 0
  works = 0
  readonly log: string[] = []
  readonly stream = { state: "open", isDrained: true }
  readonly lot = { isEmpty: true }
  readonly drain: Drain
  readonly #plan = new Map<number, () => void>()
  readonly #deferred: (() => void)[] = []
  /** Runs between the end of a wait and what its caller does next. */
  onWaited: () => void = () => {}

  constructor() {
    const all = (): unknown => [{ stream: this.stream, sender: { lot: this.lot } }]
    this.drain = new Drain({
      host: { now: () => this.nowMs, defer: (call) => void this.#deferred.push(call) },
      driver: {
        until: (isDone, timeoutMs) => this.#until(isDone, timeoutMs),
        work: () => void this.works++,
      },
      lingerMs: LINGER_MS,
      peers: () => [{ outgoing: { all } } as unknown as PeerState],
      onFinishing: () => void this.log.push(`${this.nowMs} finishing`),
    })
  }

  #until(isDone: () => boolean, timeoutMs: number): Promise<void> {
    for (const endMs = this.nowMs + timeoutMs; !isDone() && this.nowMs < endMs;) {
      this.nowMs++
      this.#plan.get(this.nowMs)?.()
      for (const call of this.#deferred.splice(0)) call()
    }
    this.onWaited()
    return Promise.resolve()
  }

  at(ms: number, does: () => void): void {
    this.#plan.set(ms, does)
  }

  incoming(name: string): IncomingHandle {
    const finish = (reason: number): void => void this.log.push(`${this.nowMs} ${name} ${reason}`)
    return { finish } as IncomingHandle
  }

  async run(): Promise<string[]> {
    await this.drain.run(() => void this.log.push(`${this.nowMs} leave`))
    return this.log
  }
}

test("an endpoint that has delivered everything leaves at once", async () => {
  expect(await new World().run()).toEqual(["0 finishing", "0 leave"])
})

test.each<[string, (it: World, isDone: boolean) => void]>([
  ["isn't acknowledged", ({ stream }, isDone) => (stream.isDrained = isDone)],
  ["waits for the window", ({ lot }, isDone) => (lot.isEmpty = isDone)],
  ["ends with its stream", ({ stream }, isDone) => (stream.state = isDone ? "closed" : "ending")],
])("what %s is waited for, and no longer than the time that there is", async (_, set) => {
  const it = new World()
  set(it, false)
  it.at(30, () => set(it, true))
  expect(await it.run()).toEqual(["30 finishing", "30 leave"])
  const never = new World()
  set(never, false)
  expect(await never.run()).toEqual([`${LINGER_MS / 2} finishing`, `${LINGER_MS} leave`])
})

test("streams that are closed owe nothing, whatever of them wasn't acknowledged", async () => {
  const it = new World()
  Object.assign(it.stream, { state: "closed", isDrained: false })
  expect(await it.run()).toEqual(["0 finishing", "0 leave"])
})

test("a consumer that is behind is sent no more, and is waited for until it is done", async () => {
  const it = new World()
  const behind = it.incoming("a")
  it.drain.note(behind, true)
  it.at(20, () => it.drain.note(behind, false))
  expect(await it.run()).toEqual(["0 finishing", `0 a ${REASON.closing}`, "20 leave"])
  expect(it.works).toBe(1)
})

test("a consumer that falls behind while the endpoint finishes is sent no more either, after the packet in hand", async () => {
  const it = new World()
  it.stream.isDrained = false
  const behind = it.incoming("b")
  it.at(60, () => {
    it.drain.note(behind, true)
    expect(it.log).toEqual(["50 finishing"])
  })
  it.at(70, () => (it.stream.isDrained = true))
  it.at(80, () => it.drain.note(behind, false))
  expect(await it.run()).toEqual(["50 finishing", `60 b ${REASON.closing}`, "80 leave"])
})

test("a message that is accepted just before the goodbye is delivered too", async () => {
  const it = new World()
  let waits = 0
  it.onWaited = () => {
    // Between the second wait and the goodbye.
    if (++waits === 2) it.stream.isDrained = false
  }
  it.at(7, () => (it.stream.isDrained = true))
  expect(await it.run()).toEqual(["0 finishing", "7 leave"])
})
