import { createNetwork } from "@x/transport/simulated"
import { type Host, withFaults } from "@x/transport"
import { beforeEach, describe, expect, test } from "vitest"
import { type Program, Standstill, type VirtualNetwork } from "../src/standstill.ts"

/** A program whose real time is counted in looks, one each half second. */
class TestProgram implements Program {
  readonly warnings: string[] = []
  readonly looks = new Set<{ readonly look: () => void; readonly lookIdle: () => void }>()

  watch(_ms: number, look: () => void, lookIdle: () => void): () => void {
    const it = { look, lookIdle }
    this.looks.add(it)
    return () => void this.looks.delete(it)
  }

  warn(text: string): void {
    this.warnings.push(text)
  }

  pass(looks: number): void {
    for (let i = 0; i < looks; i++) for (const { look } of this.looks) look()
  }

  idle(): void {
    for (const { lookIdle } of this.looks) lookIdle()
  }
}

let program: TestProgram
let standstill: Standstill
let network: { -readonly [K in keyof VirtualNetwork]: VirtualNetwork[K] }

beforeEach(() => {
  program = new TestProgram()
  standstill = new Standstill(program)
  network = { isRunning: false, waitingCall: "endpoint.join()" }
  standstill.use(network)
})

describe("a call that waits while time stands still", () => {
  test("is told after two seconds, once for a network, with the cure", () => {
    program.pass(3)
    expect(program.warnings).toEqual([])
    program.pass(1)
    expect(program.warnings).toEqual([
      expect.stringMatching(/^endpoint\.join\(\) waits, and time stands still.*network\.until\(promise\)/),
    ])
    standstill.use(network)
    program.pass(10)
    expect(program.warnings).toHaveLength(1)
    expect(program.looks.size).toBe(0)
  })

  test("is told at once by a program that has nothing else to do", () => {
    program.idle()
    expect(program.warnings).toHaveLength(1)
  })

  test("is told of another network too", () => {
    program.idle()
    standstill.use({ isRunning: false, waitingCall: "peer.ping()" })
    program.idle()
    expect(program.warnings[1]).toMatch(/^peer\.ping\(\) waits/)
  })
})

describe("nothing is told", () => {
  test("where time passes", () => {
    network.isRunning = true
    program.pass(10)
    program.idle()
    expect(program.warnings).toEqual([])
  })

  test("where it passes now and then", () => {
    for (let i = 0; i < 5; i++) {
      program.pass(3)
      standstill.use(network)
    }
    expect(program.warnings).toEqual([])
  })

  test("where nobody waits, and the two seconds begin with the wait", () => {
    program.pass(3)
    network.waitingCall = undefined
    program.pass(10)
    network.waitingCall = "endpoint.join()"
    program.pass(3)
    expect(program.warnings).toEqual([])
    program.pass(1)
    expect(program.warnings).toHaveLength(1)
  })

  test("of a network that was left as it was for another, or that all have left", () => {
    standstill.use({ isRunning: false, waitingCall: undefined })
    program.pass(10)
    standstill.use(network)
    standstill.leave(network)
    program.pass(10)
    expect(program.warnings).toEqual([])
    expect(program.looks.size).toBe(0)
  })
})

describe("a simulated network", () => {
  const asked = (host: Pick<Host, "watchWaits">, call: string | undefined): (() => void) => host.watchWaits!(() => call)

  test("asks all who are there which call waits, until they are gone", () => {
    const it = createNetwork({ seed: 1 })
    asked(it.host("a"), undefined)
    const end = asked(it.host("b"), "peer.ping()")
    expect(it.waitingCall).toBe("peer.ping()")
    end()
    expect(it.waitingCall).toBeUndefined()
  })

  test("asks no process that has crashed", () => {
    const it = createNetwork({ seed: 1 })
    const host = it.host("a")
    asked(host, "peer.ping()")
    host.crash()
    expect(it.waitingCall).toBeUndefined()
  })

  test("asks through a host with faults", () => {
    const it = createNetwork({ seed: 1 })
    const end = asked(withFaults(it.host("a"), { seed: 1 }), "peer.ping()")
    expect(it.waitingCall).toBe("peer.ping()")
    end()
    expect(it.waitingCall).toBeUndefined()
  })

  test("says that it runs while time passes, and only then", async () => {
    const it = createNetwork({ seed: 1 })
    const seen: boolean[] = []
    it.host("a").defer(() => seen.push(it.isRunning))
    await it.advance(1)
    expect([...seen, it.isRunning]).toEqual([true, false])
  })
})
