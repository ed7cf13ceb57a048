// Each call of the system fails at each place, by both ways to the sockets: the endpoint goes on, or tells it once.

import { Endpoint, type EndpointOptions } from "@x/endpoint"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { buildFaultyHelper, type Call } from "../../native/test/support/faulty-helper.ts"
import { noCompiler, titled } from "../../native/test/support/skip.ts"
import { type FaultyHost, faultyDgramHost, faultyNativeHost } from "./faulty-host.ts"
import { pattern } from "./world.ts"

const OPTIONS: EndpointOptions = {
  secrets: ["a secret of sixteen bytes"],
  protection: "aead",
  v4: "127.0.0.1",
  v6: false,
}
/** What the endpoint sends takes longer than a round trip, so that it waits for a deadline however fast the path is. */
const PACED = { sendRateBytesPerSecondPerPeer: 500_000 } satisfies EndpointOptions

/** The calls of each way, with the errors that they may have. */
const NATIVE: Partial<Record<Call, readonly string[]>> = {
  socket: ["EMFILE", "ENOBUFS"],
  setsockopt: ["ENOPROTOOPT", "ENOMEM"],
  getsockopt: ["ENOPROTOOPT"],
  bind: ["EADDRINUSE", "EACCES"],
  getsockname: ["ENOBUFS"],
  close: ["EIO"],
  fstat: ["EBADF"],
  sendmsg: ["EBADF", "EPIPE", "ENOBUFS", "ENOMEM", "EPERM", "EAGAIN", "EINTR"],
  sendmmsg: ["EBADF", "ENOMEM", "EAGAIN"],
  recvmmsg: ["EBADF", "ENOMEM", "EINTR", "EAGAIN", "ECONNREFUSED"],
  timerfd_create: ["EMFILE"],
  timerfd_settime: ["EBADF"],
  timerfd_gettime: ["EBADF"],
  read: ["EBADF", "EAGAIN"],
  uv_poll_init: ["EEXIST", "ENOMEM"],
  uv_poll_start: ["EBADF"],
  malloc: ["ENOMEM"],
  calloc: ["ENOMEM"],
  realloc: ["ENOMEM"],
}
const DGRAM = {
  bind: ["EMFILE", "EADDRINUSE"],
  getsockname: ["EBADF"],
  send: ["EBADF", "EPIPE", "ENOBUFS", "EPERM"],
  recvmsg: ["EBADF", "ECONNABORTED", "ENOMEM", "ECONNREFUSED"],
  close: ["EIO"],
} as const

/** The places of a call that are tried: the first two, and one of the others. */
function placesOf(calls: number): number[] {
  return [...new Set([0, 1, Math.floor(calls / 2)])].filter((place) => place < calls)
}

let echo: Endpoint
const uncaught: unknown[] = []
const note = (error: unknown): void => void uncaught.push(error)
let before: [NodeJS.UncaughtExceptionListener[], NodeJS.UnhandledRejectionListener[]] = [[], []]

beforeAll(async () => {
  before = [process.listeners("uncaughtException"), process.listeners("unhandledRejection")]
  process.removeAllListeners("uncaughtException").on("uncaughtException", note)
  process.removeAllListeners("unhandledRejection").on("unhandledRejection", note)
  echo = await Endpoint.bind(OPTIONS)
  echo.handle(1, (message) => message.reply(2, message.bytes))
})

afterAll(async () => {
  await echo.close()
  for (const name of ["uncaughtException", "unhandledRejection"]) process.removeAllListeners(name)
  for (const listener of before[0]) process.on("uncaughtException", listener)
  for (const listener of before[1]) process.on("unhandledRejection", listener)
})

/** An endpoint's life; returns the errors that it told. Rejects if messages don't arrive. */
async function live({ host }: FaultyHost): Promise<string[]> {
  const told: string[] = []
  const tell = ({ code }: { code: string }): void => void told.push(code)
  const a = await Endpoint.bind({ ...OPTIONS, ...PACED, host }).catch(tell)
  if (a === undefined) return told
  a.on("error", tell)
  let [echoed, wanted] = [0, 0]
  let done = (): void => {}
  a.handle(2, () => {
    if (++echoed === wanted) done()
  })
  const exchange = async (messages: number): Promise<void> => {
    wanted += messages
    const all = new Promise<void>((resolve) => (done = resolve))
    for (let i = 0; i < messages; i++) stream.trySend(1, pattern(700))
    await all
  }
  const stream = (await a.join(`127.0.0.1:${echo.port}`)).open()
  await exchange(20)
  await a.rebind().catch((error: { code: string }) => {
    tell(error)
    return a.rebind()
  })
  await exchange(10)
  await a.close()
  return told
}

async function everyPlace(faulty: FaultyHost, call: string, codes: readonly string[]): Promise<void> {
  faulty.fail(call, 0, 0, "EIO")
  expect(await live(faulty)).toEqual([])
  const calls = faulty.fail(call, 0, 0, "EIO")
  expect(calls, "it is called").toBeGreaterThan(0)
  for (const code of codes) {
    for (const place of placesOf(calls)) {
      faulty.fail(call, place, 1, code)
      const startMs = performance.now()
      const told = await live(faulty)
      expect(told.length, `${call} ${place} ${code}: ${told.join()}`).toBeLessThanOrEqual(1)
      if (process.env["SHOW_FAULTS"] !== undefined)
        console.log(call, place, calls, code, told.join(), Math.round(performance.now() - startMs))
      expect(uncaught.splice(0), `${call} ${place} ${code}`).toEqual([])
    }
  }
}

describe.skipIf(noCompiler !== undefined)(titled("through the helper", noCompiler), () => {
  let faulty: FaultyHost
  beforeAll(() => void (faulty = faultyNativeHost(buildFaultyHelper())))

  test.each(Object.entries(NATIVE))("%s fails at each place: the endpoint goes on, or tells it once", (call, codes) =>
    everyPlace(faulty, call, codes),
  )
})

describe("through Node's sockets", () => {
  test.each(Object.entries(DGRAM))("%s fails at each place: the endpoint goes on, or tells it once", (call, codes) =>
    everyPlace(faultyDgramHost(), call, codes),
  )
})
