import { expect, test } from "vitest"
import type * as Explorer from "../src/index.ts"
import type { Defect } from "../../defects/index.mjs"
import { load } from "../src/load.mjs"

const { explore, JOIN_PROPERTIES, JOIN_SCOPES, JoinState } = (await load()) as typeof Explorer
type Scene = keyof typeof JOIN_SCOPES
const scenes = Object.keys(JOIN_SCOPES) as Scene[]

test.each(scenes)("%s: every property holds in every state of the scope, and from each they come together", (scene) => {
  const { counterexample, isExhaustive, states } = explore(new JoinState(JOIN_SCOPES[scene].test))
  expect(counterexample).toBeUndefined()
  expect(isExhaustive).toBe(true)
  // Fewer states would mean that the network can no longer do everything.
  expect(states).toBeGreaterThan(15)
})

const DEFECTS: readonly (readonly [string, Scene, (typeof JOIN_PROPERTIES)[number], Defect | readonly Defect[]])[] = [
  [
    "an accept of another session is taken for the known one's",
    "one leaves unheard and joins again",
    "a state keeps its session",
    {
      package: "endpoint",
      from: "if (known !== undefined && isSameSession(known, names)) return known",
      to: "if (known !== undefined) return Object.assign(known, names)",
    },
  ],
  [
    "a join goes on with the session of a state that is over",
    "one leaves unheard and joins again",
    "nothing live is ended",
    [
      {
        package: "endpoint",
        from: "if (challenger !== undefined && !isSame(challenger.session, over.local)) continue",
        to: "continue",
      },
      // Otherwise the replacement of the state would end the join by itself.
      {
        package: "endpoint",
        from: "if (pending.joiner.challengerWith(session) !== undefined) this.#pending.finish(pending, session, nowMs)",
        to: "if (nowMs < 0) this.#pending.finish(pending, session, nowMs)",
      },
      // And otherwise a probe would end with the session that it asks about.
      {
        package: "endpoint",
        from: "joiner.probed !== undefined && isSameSession(joiner.probed, over)",
        to: "joiner.probed !== undefined && nowMs < 0",
      },
    ],
  ],
  [
    "a join carries a session that another one is about to replace",
    "one leaves unheard and joins again",
    "nothing live is ended",
    {
      package: "endpoint",
      from: "held === undefined && halfOpen.isReplacing(known.session)",
      to: "held === undefined && nowMs < 0",
    },
  ],
  [
    "counters are forgotten",
    "joined, with one who repeats",
    "applied at most once",
    {
      package: "endpoint",
      from: 'return (this.#bits[this.#wordOf(counter)]! & bitOf(counter)) === 0 ? undefined : "duplicate"',
      to: "return undefined",
    },
  ],
  [
    "tags are not looked at",
    "one restarts",
    "applied by its own session only",
    {
      package: "endpoint",
      from: 'if (batch.opener[row] !== 0 && batch.verdict[row] !== 1) return this.#refuse("tag")',
      to: "",
    },
  ],
  [
    "a hint tells that the peer left",
    "joined, with one who forges",
    "repeated and forged datagrams end nothing",
    {
      package: "endpoint",
      from: "association.hasSent(hint.counter))\n      this.probe(peer, nowMs)",
      to: 'association.hasSent(hint.counter)) this.#parts.events.push({ kind: "left", peer, why: { reason: 12, text: "" }, address: undefined })',
    },
  ],
  [
    "tokens are not checked",
    "joined, with one who forges",
    "what is forged leaves no state",
    {
      package: "endpoint",
      from: "if (join.token.length > 0 && !this.#cookies.check(",
      to: "if (nowMs < 0 && !this.#cookies.check(",
    },
  ],
  [
    "a peer is told of twice",
    "both join at once",
    "told of once",
    {
      package: "endpoint",
      from: 'else events.push({ kind: "joined", peer })',
      to: 'else for (const it of [peer, peer]) events.push({ kind: "joined", peer: it })',
    },
  ],
  [
    "what a restart replaces stays",
    "one restarts",
    "one peer at a time",
    {
      package: "endpoint",
      from: `if (before !== undefined) this.replace(before, known === undefined ? REASON.restarted : REASON.unspecified, nowMs)
    peer.isAnnounced = true
    return isReplaced ?`,
      to: `peer.isAnnounced = true
    return peer === before ?`,
    },
  ],
  [
    "slots are kept",
    "one restarts",
    "slots are given back",
    { package: "endpoint", from: "slots.free(association.slot, nowMs)", to: "" },
  ],
  [
    "a repeated join is taken for another one",
    "joined, and one asks",
    "one half-open association for a join",
    { package: "endpoint", from: "if (again !== undefined) {", to: "if (nowMs < 0 && again !== undefined) {" },
  ],
  [
    "a state is made for the own unique",
    "one joins",
    "uniques are those of incarnations",
    {
      package: "endpoint",
      from: "return { local, ...who, remote: join.session,",
      to: "return { local, ...who, unique: this.#parts.unique, remote: join.session,",
    },
  ],
  [
    "each side keeps the association that it began",
    "both join at once",
    "converges",
    {
      package: "endpoint",
      from: "const oursStays = compare(this.#parts.unique, peer.unique) < 0",
      to: "const oursStays = compare(this.#parts.unique, peer.unique) !== 0",
    },
  ],
  [
    "data is not taken",
    "one joins",
    "messages of a new session arrive",
    {
      package: "endpoint",
      from: "return peer.incoming.handleSequenced(view, bytes, body, end, wanted, nowMs)",
      to: "return",
    },
  ],
]

test.each(DEFECTS)("the defect that %s is found (%s)", async (_name, scene, property, defect) => {
  const broken = (await load([defect].flat())) as typeof Explorer
  const scope = broken.JOIN_SCOPES[scene].test
  const { counterexample } = broken.explore(new broken.JoinState(scope), { statesMax: 3_000 })
  expect(counterexample?.property).toBe(property)
  const again = new broken.JoinState(scope)
  for (const action of counterexample!.trace) again.apply(action)
  const found = again.violation ?? again.converge(new Set())
  expect(found?.property).toBe(property)
})
