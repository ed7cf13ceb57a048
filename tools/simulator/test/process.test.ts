// What an endpoint that closes in order is held to: by two processes on a path of 10 ms.

import type { EndpointOptions, Peer } from "@x/endpoint"
import { createNetwork, type Network } from "@x/transport/simulated"
import { expect, test } from "vitest"
import { makeContent } from "../src/content.ts"
import { Judge } from "../src/judge.ts"
import type { StreamLedger } from "../src/ledger.ts"
import { CONSUMERS, PORT, Process } from "../src/process.ts"
import type { ProcessWorld } from "../src/process-world.ts"

const LINGER_MS = 5_000

test("what an end in order loses although the peer lives is found", async () => {
  const { network, a, judge, ledger } = await joined({ lingerMs: 0 })
  expect(await closed(network, a, ledger)).toMatchObject({ unconfirmed: 1 })
  expect([ledger.isCut, ledger.isForgone, judge.failure?.invariant]).toEqual([true, false, "orderly"])
})

test("what an end in order delivers is as it should be", async () => {
  const { network, a, judge, ledger } = await joined({ lingerMs: LINGER_MS })
  expect(await closed(network, a, ledger)).toMatchObject({ acknowledged: 1 })
  expect([ledger.isForgone, judge.failure]).toEqual([false, undefined])
})

test("who ends in order isn't held to what a peer misses that says goodbye meanwhile", async () => {
  const { network, a, b, judge, ledger } = await joined({ lingerMs: LINGER_MS })
  network.partition("a", "b", { both: false })
  const closing = closed(network, a, ledger)
  b.leave(a)
  expect(await closing).toMatchObject({ unconfirmed: 1 })
  expect([ledger.isForgone, judge.failure]).toEqual([true, undefined])
})

test("who ends in order isn't held to what a peer misses that gives it up after silence", async () => {
  const { network, a, b, judge, ledger } = await joined({ lingerMs: LINGER_MS, unreachableMs: 200, leaveMs: 500 })
  network.partition("a", "b", { both: false })
  expect(await closed(network, a, ledger)).toMatchObject({ unconfirmed: 1 })
  expect([b.peers.size, ledger.isForgone, judge.failure]).toEqual([0, true, undefined])
})

/** Two processes that know each other, and a message that the first has accepted for the second. */
async function joined(
  options: EndpointOptions,
): Promise<{ network: Network; a: Process; b: Process; judge: Judge; ledger: StreamLedger }> {
  const touched = new Set<Process>()
  const network = createNetwork({
    ...{ seed: 1, link: { delayMs: 10 } },
    settle: async () => {
      await new Promise((resolve) => setImmediate(resolve))
      for (const process of touched) process.check()
      touched.clear()
    },
  })
  const judge = new Judge(() => network.now)
  const processes: Process[] = []
  const world: ProcessWorld = {
    ...{ judge, touched, ledgers: new Map(), processes: () => processes, consumers: undefined as never },
    ...{ handlingMs: () => 0, isGuest: () => false, isForged: () => false },
    ...{ onAlone: () => {}, onBound: () => {}, onTurn: () => {} },
  }
  const all = { heartbeatMs: 100, messageBytesMax: 65_536, queuedBytesTotalMax: 65_536, ...options }
  const memory = { assemblyBytesMax: 1_048_576, assemblyBytesPerPeer: 65_536 }
  const pools = { poolPacketsMax: 4_096, sendPoolPacketsMax: 4_096 }
  for (const name of ["a", "b"])
    processes.push(new Process(name, network.host(name), { ...all, ...memory, ...pools }, world))
  const [a, b] = processes as [Process, Process]
  for (const process of processes) await network.until(process.bind())
  const peer: Peer = await network.until(a.endpoint.join(`b:${PORT}`))
  await network.when(() => b.peers.size === 1)
  const ledger = a.openStream(peer, 1, CONSUMERS.handler, { delivery: "reliable" })
  expect(ledger.stream.trySend(ledger.type, makeContent(100, 1, ledger.accept(100)))).toBe("sent")
  return { network, a, b, judge, ledger }
}

/** Ends a process in order, has it judged, and returns the account of its stream. */
async function closed(network: Network, process: Process, ledger: StreamLedger): Promise<unknown> {
  process.isClosing = true
  const owed = [ledger].filter((it) => process.isOwed(it))
  expect(owed).toEqual([ledger])
  await network.until(process.endpoint.close())
  process.checkOrderly(owed, "its endpoint closed")
  return ledger.stream.account
}
