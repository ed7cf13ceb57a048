import type { EndpointOptions, Peer } from "@x/endpoint"
import type { Network } from "@x/transport/simulated"
import { Process } from "./process.ts"
import type { ProcessWorld } from "./process-world.ts"

const REJOIN_MS = 500

/** A machine that runs one process at a time, and is to be joined with others. */
export class Node {
  readonly name: string
  /** The nodes that it joins. Others join it. */
  readonly targets: Node[] = []
  process: Process
  /** The processes that ended in order. */
  readonly closed: Process[] = []
  /** The incarnations that it has had. */
  readonly uniques: string[] = []
  /** The number of processes it has had. */
  generations = 0
  readonly #network: Network
  readonly #options: EndpointOptions
  readonly #world: ProcessWorld
  readonly #after: (ms: number, run: () => void) => void
  readonly #joining = new Map<Node, AbortController>()

  constructor(
    name: string,
    network: Network,
    options: EndpointOptions,
    world: ProcessWorld,
    after: (ms: number, run: () => void) => void,
  ) {
    this.name = name
    this.#network = network
    this.#options = options
    this.#world = world
    this.#after = after
    this.process = this.#next()
  }

  #next(): Process {
    this.generations++
    this.#joining.clear()
    return new Process(this.name, this.#network.host(this.name), this.#options, this.#world)
  }

  async start(): Promise<void> {
    const { process } = this
    await process.bind()
    this.uniques.push(process.unique)
    this.joinAll()
  }

  /** Ends without a word. */
  crash(): void {
    this.process.host.crash()
    this.process.end()
  }

  /** Ends with a goodbye; settles when the sockets are closed. */
  async close(): Promise<void> {
    const { process } = this
    process.isClosing = true
    const owed = [...process.open].filter((ledger) => process.isOwed(ledger))
    // By its own clock, which may jump: so does the end of its lingering.
    const startMs = process.host.now()
    await process.endpoint.close()
    if (process.isOver) return
    // If closing used up all of its time, it can't have delivered everything.
    if (process.host.now() - startMs < this.#options.lingerMs!) process.checkOrderly(owed, "its endpoint closed")
    process.end()
    this.closed.push(process)
  }

  async restart(): Promise<void> {
    this.process = this.#next()
    await this.start()
  }

  joinAll(): void {
    for (const target of this.targets) this.#join(target)
  }

  /** Joins under way may be waiting for their next attempt: starts them again. */
  joinAnew(): void {
    for (const aborting of this.#joining.values()) aborting.abort()
    this.#joining.clear()
    this.joinAll()
  }

  /** Joins a target that isn't joined; tries again after a while if that fails. */
  #join(target: Node): void {
    const { process } = this
    if (!process.isUp || this.#joining.has(target) || this.#peerAt(target) !== undefined) return
    const aborting = new AbortController()
    this.#joining.set(target, aborting)
    const again = (): void => {
      if (this.#joining.get(target) === aborting) this.#joining.delete(target)
      // Tries again after a failure, or if the peer has left since.
      if (!aborting.signal.aborted) this.#after(REJOIN_MS, () => this.#join(target))
    }
    process.endpoint.join(`${target.name}:${target.port}`, { signal: aborting.signal }).then(again, again)
  }

  #peerAt(target: Node): Peer | undefined {
    for (const peer of this.process.peers) if (isAt(peer, target)) return peer
    // It may have moved since, and this process has yet to learn of that.
    return this.process.peerOf(target.process)
  }

  /** The port of its process. */
  get port(): number {
    return this.process.port
  }

  get label(): string {
    return `${this.name}#${this.generations}`
  }
}

function isAt({ address }: Peer, { process, port }: Node): boolean {
  return address.port === port && process.host.machine.addresses.some(({ host }) => host === address.host)
}
