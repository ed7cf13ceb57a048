// A job queue by request: workers ask for a job, and tell its result. A worker that waits asks with a long time-out, and
// its place in the line is gone as soon as it is: the queue's handler is told by its signal. The jobs of a worker that
// dies are given to others.
import assert from "node:assert/strict"
import { Endpoint, json, type Peer } from "@x/endpoint"
import { defineRequest, RequestError, Rpc } from "@x/rpc"
import { createNetwork } from "@x/transport/simulated"

interface Job {
  readonly id: number
  readonly text: string
}

const TAKE = defineRequest(1, json<null>(), json<Job>())
const DONE = defineRequest(2, json<{ id: number; result: string }>(), json<"counted" | "known">())

class JobQueue {
  readonly results = new Map<number, string>()
  readonly #jobs: Job[] = []
  readonly #taken = new Map<Job, Peer>()
  readonly #waiting = new Set<(job: Job) => boolean>()

  constructor(endpoint: Endpoint) {
    const rpc = new Rpc(endpoint)
    rpc.answer(TAKE, (_, { peer, signal }) => this.#take(peer, signal))
    // A worker may tell a result twice, since it can't know whether the first time got here.
    rpc.answer(DONE, ({ id, result }) => this.#done(id, result))
    endpoint.on("left", (peer) => this.#takeBack(peer))
  }

  add(job: Job): void {
    for (const offer of this.#waiting) if (offer(job)) return
    this.#jobs.push(job)
  }

  #take(peer: Peer, signal: AbortSignal): Job | Promise<Job> {
    const job = this.#jobs.shift()
    if (job !== undefined) {
      this.#taken.set(job, peer)
      return job
    }
    return new Promise((resolve, reject) => {
      const offer = (next: Job): boolean => {
        this.#waiting.delete(offer)
        this.#taken.set(next, peer)
        resolve(next)
        return true
      }
      this.#waiting.add(offer)
      signal.addEventListener("abort", () => {
        this.#waiting.delete(offer)
        reject(signal.reason as Error)
      })
    })
  }

  #done(id: number, result: string): "counted" | "known" {
    if (this.results.has(id)) return "known"
    for (const job of this.#taken.keys()) if (job.id === id) this.#taken.delete(job)
    this.results.set(id, result)
    return "counted"
  }

  #takeBack(peer: Peer): void {
    for (const [job, holder] of this.#taken) {
      if (holder !== peer) continue
      this.#taken.delete(job)
      console.log(`job ${job.id} goes back: its worker has left`)
      this.add(job)
    }
  }
}

/** Works until its connection is closed. `isStuck`: it takes a job and never finishes it. */
async function work(endpoint: Endpoint, isStuck: boolean): Promise<void> {
  const rpc = new Rpc(endpoint)
  const queue = endpoint.connect("queue:4000")
  while (!queue.isClosed) {
    try {
      const { id, text } = await rpc.request(queue, TAKE, null, { timeoutMs: 30_000 })
      if (isStuck) return
      const result = text.toUpperCase()
      await rpc.request(queue, DONE, { id, result }, { idempotent: true })
    } catch (error) {
      // There was no job, or the queue is restarting: ask again.
      if (!(error instanceof RequestError)) throw error
    }
  }
}

const network = createNetwork({ seed: 1, link: { delayMs: 5, lossRate: 0.02 } })
const options = { unreachableMs: 2_000, leaveMs: 1_000 }
const queue = new JobQueue(await network.until(Endpoint.bind({ host: network.host("queue"), port: 4_000, ...options })))
const hosts = ["ann", "ben", "cem"].map((name) => network.host(name))
for (const host of hosts) {
  const endpoint = await network.until(Endpoint.bind({ host, ...options }))
  void work(endpoint, host === hosts[2])
}
await network.advance(500) // all of them wait for a job
for (let id = 1; id <= 100; id++) queue.add({ id, text: `job ${id}` })
await network.advance(1_000)
console.log(`${queue.results.size} jobs are done, one is stuck`)
hosts[2]!.crash()
await network.when(() => queue.results.size === 100)
assert.equal(queue.results.get(42), "JOB 42")
console.log("100 jobs are done, each counted once")
