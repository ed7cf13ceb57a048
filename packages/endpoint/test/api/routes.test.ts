// A stream remembers the consumer of its last message: every change of handlers and readers counts from the next
// message on.
import type { Endpoint, IncomingStream, Message, OutgoingStream, Peer } from "@x/endpoint"
import type { Network } from "@x/transport/simulated"
import { expect, test } from "vitest"
import { makeWorld, PORT } from "../world.ts"

interface Stage {
  readonly b: Endpoint
  readonly stream: IncomingStream
  readonly peer: Peer
  /** Sends a message of type 1, or another; returns its consumer. */
  got(type?: number): Promise<string>
  /** A handler that reports its name. */
  readonly is: (name: string) => (message: Message) => void
}

async function stage(): Promise<Stage> {
  const { network, bind }: { network: Network; bind: ReturnType<typeof makeWorld>["bind"] } = makeWorld(1)
  const { endpoint: b } = await bind("b")
  const { endpoint: a } = await bind("a")
  let who: string[] = []
  const is = (name: string) => (): void => void who.push(name)
  b.handle(1, is("endpoint"))
  const opened = new Promise<IncomingStream>((resolve) => b.on("stream", resolve))
  const out: OutgoingStream = (await network.until(a.join(`b:${PORT}`))).open()
  const got = async (type = 1): Promise<string> => {
    who = []
    out.trySend(type, new Uint8Array(8))
    await network.advance(50)
    return who.join()
  }
  expect(await got()).toBe("endpoint")
  const stream = await network.until(opened)
  return { b, stream, peer: stream.peer, got, is }
}

test("a handler of the stream takes over from that of the endpoint, and gives back", async () => {
  const { stream, got, is } = await stage()
  const off = stream.handle(1, is("stream"))
  expect(await got()).toBe("stream")
  off()
  expect(await got()).toBe("endpoint")
})

test("a handler of the endpoint that was replaced gets no more", async () => {
  const { b, got, is } = await stage()
  const off = b.handle(2, is("first"))
  expect(await got(2)).toBe("first")
  off()
  b.handle(2, is("second"))
  expect(await got(2)).toBe("second")
})

test("messages of two types in turn go to the handlers of each", async () => {
  const { b, got, is } = await stage()
  b.handle(2, is("two"))
  for (let i = 0; i < 3; i++) {
    expect(await got(1)).toBe("endpoint")
    expect(await got(2)).toBe("two")
  }
})

test("who reads the stream gets what the handler of the endpoint got", async () => {
  const { stream, got } = await stage()
  const reader = stream.messages()
  expect(await got()).toBe("")
  expect((await reader.next()).value?.type).toBe(1)
})

test("who reads a type of the peer gets a copy beside the handler, as long as it reads", async () => {
  const { peer, got } = await stage()
  const reader = peer.messages(1)
  expect(await got()).toBe("endpoint")
  expect((await reader.next()).value?.type).toBe(1)
  await reader.return!()
  expect(await got()).toBe("endpoint")
})
