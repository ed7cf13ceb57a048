/**
 * Any schedule of loss, cuts, restarts, cancels, deadlines and slow handlers: each request ends once; its answer is its
 * own; what is told as not done wasn't begun anywhere; nothing is done twice that isn't idempotent; parts come in order,
 * without gaps, and whole if they end well; and afterwards neither side holds anything. The naive twin is a list of what
 * was begun, by the text of the question, which no two requests share.
 */
import fc from "fast-check"
import { expect, test } from "vitest"
import { runs } from "../../../tools/testkit/src/runs.ts"
import { ECHO, left, makeWorld, type Member, NOTHING, PORT, sleep, TAIL } from "./world.ts"
import { RequestError } from "@x/rpc"

const time = fc.integer({ min: 0, max: 400 })

const steps = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("ask" as const),
      // How the handler answers.
      how: fc.constantFrom("at-once", "later", "throws", "never", "refuses"),
      afterMs: time,
      timeoutMs: fc.constantFrom(30, 300, 3_000),
      bytes: fc.constantFrom(0, 10, 3_000, 60_000),
      isIdempotent: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("tail" as const),
      parts: fc.constantFrom(0, 1, 5, 400),
      bytes: fc.constantFrom(5, 2_000),
      // Between parts; and what the reader does.
      everyMs: fc.constantFrom(0, 0, 20),
      readMax: fc.constantFrom(2, Infinity, Infinity),
      timeoutMs: fc.constantFrom(300, 3_000),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("cancel" as const), which: fc.nat(50) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("cut" as const), ms: time }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("restart" as const), ms: time }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: time }) },
)

const schedules = fc.record({
  seed: fc.nat(),
  loss: fc.constantFrom(0, 0, 0.05, 0.2),
  windowPackets: fc.constantFrom(8, 64, 1_024),
  concurrencyMax: fc.constantFrom(1, 3, 64),
  steps: fc.array(steps, { minLength: 5, maxLength: 40 }),
})

type Schedule = typeof schedules extends fc.Arbitrary<infer T> ? T : never

interface Told {
  readonly question: string
  readonly isIdempotent: boolean
  /** Of the parts, those that came. */
  readonly parts: string[]
  end: "answered" | RequestError | undefined
  ends: number
}

const totals = { answered: 0, notDone: 0, maybeDone: 0, parts: 0, twice: 0 }

async function run({ seed, loss, windowPackets, concurrencyMax, steps }: Schedule): Promise<void> {
  const { network, bind } = makeWorld(seed, {
    delayMs: 5,
    jitterMs: 3,
    lossRate: loss,
    duplicateRate: loss,
    reorderRate: loss,
  })
  const began: string[] = []
  const members: Member[] = []
  const serve = async (): Promise<Member> => {
    const b = await bind("b", { windowPackets })
    members.push(b)
    b.endpoint.on("error", () => {})
    b.rpc.answer(
      ECHO,
      (question, { signal }) => {
        began.push(question)
        const [, how, afterMs] = question.split(" ")
        switch (how) {
          case "at-once":
            return `answer to ${question}`
          case "later":
            return sleep(b, Number(afterMs)).then(() => `answer to ${question}`)
          case "throws":
            throw new Error("?")
          case "refuses":
            throw new RequestError("refused", "", "not-done")
          default:
            return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)))
        }
      },
      { concurrencyMax },
    )
    b.rpc.answer(
      TAIL,
      async function* (question, { signal }) {
        began.push(question)
        const [, count, everyMs, bytes] = question.split(" ").map(Number)
        for (let i = 0; i < count! && !signal.aborted; i++) {
          if (everyMs! > 0) await sleep(b, everyMs!)
          yield `${i} ${question} `.padEnd(bytes!, "x")
        }
      },
      { concurrencyMax },
    )
    return b
  }
  const a = await bind("a", { windowPackets, parkedMessagesMax: 20 })
  let b = await serve()
  const node = a.endpoint.connect(`b:${PORT}`, { retry: { minMs: 20, maxMs: 100 } })
  const all: Told[] = []
  const controllers: AbortController[] = []
  const ask = (question: string, isIdempotent: boolean): { told: Told; signal: AbortSignal } => {
    const told: Told = { question, isIdempotent, parts: [], end: undefined, ends: 0 }
    all.push(told)
    const controller = new AbortController()
    controllers.push(controller)
    return { told, signal: controller.signal }
  }
  const settled: Promise<void>[] = []
  for (const step of steps) {
    switch (step.do) {
      case "ask": {
        const question = `${all.length} ${step.how} ${step.afterMs} `.padEnd(step.bytes, "?")
        const { told, signal } = ask(question, step.isIdempotent)
        const { timeoutMs, isIdempotent: idempotent } = step
        settled.push(
          a.rpc.request(node, ECHO, question, { timeoutMs, signal, idempotent }).then(
            (answer) => {
              expect(answer).toBe(`answer to ${question}`)
              told.end = "answered"
              told.ends++
            },
            (error: RequestError) => {
              told.end = error
              told.ends++
            },
          ),
        )
        break
      }
      case "tail": {
        const question = `${all.length} ${step.parts} ${step.everyMs} ${step.bytes}`
        const { told, signal } = ask(question, false)
        const read = async (): Promise<void> => {
          try {
            for await (const part of a.rpc.request(node, TAIL, question, { timeoutMs: step.timeoutMs, signal })) {
              told.parts.push(part)
              if (told.parts.length >= step.readMax) break
            }
            told.end = "answered"
            if (step.readMax === Infinity) expect(told.parts).toHaveLength(step.parts)
          } catch (error) {
            if (!(error instanceof RequestError)) throw error
            told.end = error
          }
          told.ends++
        }
        settled.push(read())
        break
      }
      case "cancel":
        controllers[step.which % Math.max(1, controllers.length)]?.abort()
        break
      case "cut":
        network.partition("a", "b")
        await network.advance(step.ms)
        network.heal()
        break
      case "restart":
        b.host.crash()
        await network.advance(step.ms)
        b = await serve()
        break
      default:
        await network.advance(step.ms)
    }
  }
  await network.until(Promise.all(settled))
  check(all, began)
  // What it held for askers is gone once their cancels came, and the time of each is over.
  await network.advance(20_000)
  expect(left(a, b)).toEqual([NOTHING, NOTHING])
  expect(a.rpc.stats().waitingForPeer).toBe(0)
  const { deadlines } = a.rpc.stats()
  // That of idle streams alone.
  expect(deadlines).toBeLessThanOrEqual(1)
  await network.until(node.close(0))
  await network.until(Promise.all([a.endpoint.close(), b.endpoint.close()]))
  expect([a.rpc.stats().peers, b.rpc.stats().peers]).toEqual([0, 0])
}

function check(all: readonly Told[], began: readonly string[]): void {
  const times = new Map<string, number>()
  for (const question of began) times.set(question, (times.get(question) ?? 0) + 1)
  for (const { question, isIdempotent, parts, end, ends } of all) {
    expect(ends).toBe(1)
    const done = times.get(question) ?? 0
    if (!isIdempotent) expect(done).toBeLessThanOrEqual(1)
    if (done > 1) totals.twice++
    if (end === "answered") {
      expect(done).toBeGreaterThanOrEqual(1)
      totals.answered++
    } else if (end!.code !== "refused" && end!.outcome === "not-done") {
      expect([question, done]).toEqual([question, 0])
      totals.notDone++
    } else totals.maybeDone++
    parts.forEach((part, i) => expect(part.startsWith(`${i} ${question} `)).toBe(true))
    totals.parts += parts.length
  }
}

test(
  "each request ends once, as it is told, and nothing is left of it",
  async () => {
    await fc.assert(fc.asyncProperty(schedules, run), { numRuns: runs(150) })
    console.log(`requests: ${JSON.stringify(totals)}`)
    // Runs in which nothing happens show nothing.
    expect(Math.min(totals.answered, totals.notDone, totals.maybeDone, totals.parts)).toBeGreaterThan(runs(150) / 10)
  },
  60_000 + 500 * runs(150),
)
