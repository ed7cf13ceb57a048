// What is lent counts for all peers of one identity together.

import fc from "fast-check"
import { expect, test } from "vitest"
import { NUMBER_OPTIONS } from "../../src/api/options.ts"
import { type Account, Accounts } from "../../src/schedule/accounts.ts"
import { Quota } from "../../src/schedule/quota.ts"
import type { Settings } from "../../src/settings.ts"
import { runs } from "../../../../tools/testkit/src/runs.ts"

const DEFAULTS = Object.fromEntries(Object.entries(NUMBER_OPTIONS).map(([name, option]) => [name, option.default]))

function made(options: Partial<Settings> = {}): { readonly quota: Quota; readonly accounts: Accounts } {
  const quota = new Quota({ ...(DEFAULTS as unknown as Settings), ...options })
  return { quota, accounts: new Accounts(quota) }
}

/** Takes as much of the pool of early packets as it gets, and earns trust by giving some back again and again. */
function fill({ early }: Account): number {
  for (let before = -1; early.used > before;) {
    before = early.used
    while (early.take(1));
    early.give(1)
  }
  return early.used
}

test("sixteen peers of one identity together are lent what one would be, and leave the next one as much", () => {
  const alone = made()
  fill(alone.accounts.open("a"))
  const nextToOne = fill(alone.accounts.open("b"))
  const many = made({ poolPacketsPerPeer: 65_536 })
  for (let i = 0; i < 16; i++) fill(many.accounts.open("a"))
  const nextToMany = fill(many.accounts.open("b"))
  expect(nextToMany).toBeGreaterThanOrEqual(0.6 * nextToOne)
  // Sixteen strangers would leave far less.
  const strangers = made({ poolPacketsPerPeer: 65_536 })
  for (let i = 0; i < 16; i++) fill(strangers.accounts.open(`stranger ${i}`))
  expect(fill(strangers.accounts.open("b"))).toBeLessThan(0.5 * nextToMany)
})

test("what a peer holds counts for its identity after it has left, until it is given back", () => {
  const { quota, accounts } = made({ poolPacketsPerPeer: 65_536 })
  const first = accounts.open("a")
  const held = fill(first)
  accounts.close(first)
  accounts.close(first)
  const second = accounts.open("a")
  expect(fill(second)).toBeLessThan(0.5 * held)
  first.early.give(first.early.used)
  accounts.close(second)
  second.early.give(second.early.used)
  for (let i = 0; i < 10; i++) accounts.close(accounts.open("b"))
  expect([accounts.count, quota.early.used]).toEqual([0, 0])
})

test("property: whoever comes and goes, no identity is forgotten while it holds something, and none is kept for long", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(5), fc.nat(3), fc.nat(40)), { maxLength: 80, size: "max" }), (steps) => {
      const { quota, accounts } = made()
      const held: Account[] = []
      for (const [who, what, units] of steps) {
        if (what === 0) held.push(accounts.open(`identity ${who}`))
        const account = held[who % Math.max(1, held.length)]
        if (account === undefined) continue
        if (what === 1) for (let i = 0; i < units; i++) account.early.take(1)
        if (what === 2 && account.early.used > 0) account.early.give(Math.min(units + 1, account.early.used))
        if (what === 3) accounts.close(account)
        quota.assertInvariants()
      }
      for (const account of held) {
        if (account.early.used > 0) account.early.give(account.early.used)
        accounts.close(account)
      }
      for (let i = 0; i < 10; i++) accounts.close(accounts.open("last"))
      expect([quota.early.used, quota.early.lent]).toEqual([0, 0])
      expect(accounts.count).toBeLessThanOrEqual(1)
    }),
    { numRuns: runs(100) },
  )
})

test("beside a message of the largest size there is room for a small one, however tight the bounds are", () => {
  for (const assemblyBytesMax of [65_536, 70_000, 1_000_000]) {
    const bounds = { messageBytesMax: 65_536, assemblyBytesPerPeer: 65_536, assemblyBytesMax, peersMax: 10 }
    const { accounts, quota } = made(bounds)
    const [large, small] = [accounts.open("a"), accounts.open("b")]
    expect([large.assembly.take(65_536), small.assembly.take(200)]).toEqual([true, true])
    expect(quota.assembly.unitsMax).toBe(Math.max(assemblyBytesMax, 73_728))
  }
})
