// Two endpoints on a simulated network that send files into real folders: time and losses are virtual, the disk is not.
import { randomFillSync } from "node:crypto"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Endpoint, type Peer } from "@x/endpoint"
import { createNetwork, type LinkOptions, type Network, type SimulatedHost } from "@x/transport/simulated"
import { afterEach } from "vitest"
import { FileReceiver, type FileReceiverOptions } from "../src/file-receiver.ts"
import { FileSender } from "../src/file-sender.ts"

const folders: string[] = []

afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true })
})

export async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "x-test-"))
  folders.push(path)
  return path
}

/** Lets virtual time pass and the disk work, in turn, until a promise settles. */
export async function drive<T>(network: Network, promise: Promise<T>): Promise<T> {
  const state = { isSettled: false }
  const settle = (): void => void (state.isSettled = true)
  promise.then(settle, settle)
  await until(network, () => state.isSettled)
  return promise
}

export async function until(network: Network, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await step(network)
}

async function step(network: Network): Promise<void> {
  await network.advance(10)
  await new Promise((resolve) => setImmediate(resolve))
}

export interface Ends {
  readonly network: Network
  readonly a: Endpoint
  readonly b: Endpoint
  readonly senderHost: SimulatedHost
  /** b, as a sees it. */
  readonly peer: Peer
}

export async function makeEnds(link: LinkOptions = { delayMs: 2 }): Promise<Ends> {
  const network = createNetwork({ seed: 1, link })
  const senderHost = network.host("sender")
  const a = await network.until(Endpoint.bind({ host: senderHost, port: 1 }))
  const b = await network.until(Endpoint.bind({ host: network.host("receiver"), port: 1 }))
  return { network, a, b, senderHost, peer: await network.until(a.join("receiver:1")) }
}

export interface Party extends Ends {
  readonly dir: string
  readonly receiver: FileReceiver
  readonly sender: FileSender
  /** `refusal: why` of each file that the receiver refused. */
  readonly refusals: string[]
  file(name: string, bytes: number): Promise<{ readonly path: string; readonly bytes: Uint8Array }>
}

export async function makeParty(link?: LinkOptions, options: Partial<FileReceiverOptions> = {}): Promise<Party> {
  const ends = await makeEnds(link)
  const [dir, from] = [await folder(), await folder()]
  const refusals: string[] = []
  const receiver = new FileReceiver(ends.b, {
    dir,
    onRefused: (_, refusal, why) => refusals.push(`${refusal}: ${why}`),
    ...options,
  })
  return {
    ...ends,
    dir,
    receiver,
    refusals,
    sender: new FileSender(ends.a),
    file: (name, bytes) => makeFile(from, name, bytes),
  }
}

export async function makeFile(
  from: string,
  name: string,
  length: number,
): Promise<{ path: string; bytes: Uint8Array }> {
  const bytes = randomFillSync(new Uint8Array(length))
  await writeFile(join(from, name), bytes)
  return { path: join(from, name), bytes }
}

/** Slow enough to catch a transfer half way. */
export const SLOW: LinkOptions = { delayMs: 2, rateBitsPerSecond: 100_000_000 }
