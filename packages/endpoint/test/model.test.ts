// Whatever is done in any order, two endpoints behave as the model says.

import { createNetwork } from "@x/transport/simulated"
import fc from "fast-check"
import { expect, test } from "vitest"
import { check, checkEnd, commands, type Model, type Real, type Side, start } from "./model.ts"
import { runs } from "../../../tools/testkit/src/runs.ts"

test("two endpoints do what was promised, whatever is done in whatever order", async () => {
  const totals = { accepted: 0, delivered: 0 }
  await fc.assert(
    fc.asyncProperty(
      fc.integer(),
      fc.constantFrom(0, 0, 0.05, 0.3),
      fc.commands(commands, { maxCommands: 80, size: "max" }),
      async (seed, lossRate, cmds) => {
        const network = createNetwork({ seed, link: { delayMs: 5, jitterMs: 2, lossRate } })
        const [a, b] = (["a", "b"] as const).map((name): Side => ({
          name,
          host: network.host(name),
          endpoint: undefined,
          peer: undefined,
        }))
        const real: Real = { network, sides: [a!, b!], streams: new Map(), label: 0 }
        const setup = async (): Promise<{ model: Model; real: Real }> => {
          await start(real)
          return { model: {}, real }
        }
        await fc.asyncModelRun(setup, cmds)
        network.heal()
        network.links({ delayMs: 5 })
        // A peer that was unreachable for too long has left: its streams are cut.
        for (const model of real.streams.values()) if (model.stream.peer.state === "left") model.isCut = true
        await network.advance(30_000)
        for (const model of real.streams.values()) {
          if (model.stream.peer.state === "left") model.isCut = true
          if (model.stream.state === "closed" && model.stream.account.unconfirmed > 0) model.isCut = true
          check(model)
          checkEnd(model)
          totals.accepted += model.accepted.length
          totals.delivered += model.delivered.length
        }
        for (const { endpoint } of real.sides) if (endpoint !== undefined) await network.until(endpoint.close(), 20_000)
        await network.advance(10_000)
        for (const { endpoint } of real.sides) {
          if (endpoint === undefined) continue
          expect(endpoint.sizes).toMatchObject({
            peers: 0,
            joins: 0,
            halfOpen: 0,
            pool: 0,
            sendPool: 0,
            assemblyBytes: 0,
            streams: 0,
            slots: 0,
          })
        }
      },
    ),
    { numRuns: runs(100) },
  )
  // A run that sends nothing shows nothing.
  console.log(`model: ${totals.accepted} messages accepted, ${totals.delivered} delivered`)
  expect(totals.delivered).toBeGreaterThan(300)
}, 120_000)
