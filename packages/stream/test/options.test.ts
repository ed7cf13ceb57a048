import {
  DEFAULT_STREAM_OPTIONS,
  PacketPool,
  RttEstimator,
  SendStream,
  type SendStreamOptions,
  type StreamOptions,
  streamOptions,
} from "@x/stream"
import { MODE } from "@x/wire"
import { expect, test } from "vitest"
import { takenBy } from "../../transport/test/bad-values.ts"

const RANGE = { name: "RangeError" }

/** Valid values of each option of a stream. */
const OPTIONS: Readonly<Record<keyof StreamOptions, readonly string[]>> = {
  payloadBytesMax: [],
  headRoomBytes: ["-0", "0", "1"],
  tailRoomBytes: ["-0", "0", "1"],
  windowPackets: ["1"],
  windowBytes: ["1", "2^31", "2^32"],
  spreadPackets: [],
  reorderPackets: ["1"],
  statusPackets: ["1"],
  statusDelayMs: ["1"],
  peerStatusDelayMs: ["1"],
}

test.each(Object.entries(OPTIONS))("%s of a stream is checked where it enters", async (name, right) => {
  expect(await takenBy((value) => streamOptions({ [name]: value }), RANGE)).toEqual(right)
  expect(() => streamOptions({ [`${name}s`]: 1 } as never)).toThrow(
    `there is no option "${name}s" of a stream; there are headRoomBytes`,
  )
})

test("each option of a stream is among those that are tried", () => {
  expect(Object.keys(OPTIONS).toSorted()).toEqual(Object.keys(DEFAULT_STREAM_OPTIONS).toSorted())
})

test("numbers that a sending stream and a pool are given are checked too", async () => {
  const make = (given: Partial<SendStreamOptions>): SendStream =>
    new SendStream({
      id: 1,
      mode: MODE["best-effort"],
      rtt: new RttEstimator(),
      options: DEFAULT_STREAM_OPTIONS,
      ...given,
    })
  const of = (name: string) => takenBy((value) => make({ [name]: value }), RANGE)
  expect(await of("id")).toEqual(["-0", "0", "1", "2^31"])
  expect(await of("first")).toEqual(["-0", "0", "1", "2^31", "2^32"])
  expect(await of("priority")).toEqual(["-0", "0", "1"])
  expect(await of("lifetimeMs")).toEqual(["Infinity", "1/2", "1", "2^31", "2^32", "2^53", "1e308"])
  expect(await of("resendsMax")).toEqual(["Infinity", "-0", "0", "1", "2^31", "2^32"])
  expect(await takenBy((slotBytes) => new PacketPool({ slotBytes: slotBytes as number }), RANGE)).toEqual(["1"])
  expect(await takenBy((slotsMax) => new PacketPool({ slotBytes: 100, slotsMax: slotsMax as number }), RANGE)).toEqual([
    "-0",
    "0",
    "1",
    "2^31",
    "2^32",
  ])
})
