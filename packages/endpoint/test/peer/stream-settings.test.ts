import { expect, test } from "vitest"
import { settingsOf } from "../../src/api/options.ts"
import { StreamSettings } from "../../src/peer/stream-settings.ts"
import { limitsOf } from "../../src/protocol/limits.ts"
import { LIMITS } from "./limits.ts"

const SETTINGS = settingsOf({ spreadPackets: 2_048, windowPackets: 1_500 })

test("streams to a peer keep within what it takes, and streams from it within what we do", () => {
  const settings = new StreamSettings(SETTINGS, { ...LIMITS, spread: 1_024 })
  expect(settings.sending(1_000)).toMatchObject({ payloadBytesMax: 1_000, spreadPackets: 1_024, windowPackets: 1_024 })
  expect(settings.receiving(1_000)).toMatchObject({ spreadPackets: 2_048, windowPackets: 1_500 })
})

test("a peer is held to the spread that it was told, where the pool keeps fewer packets than streams could be apart", () => {
  const narrow = settingsOf({ spreadPackets: 16_384, poolPacketsPerPeer: 1_500 })
  expect(limitsOf(narrow, 1_000_000).spread).toBe(1_024)
  expect(new StreamSettings(narrow, LIMITS).receiving(1_000).spreadPackets).toBe(1_024)
})

test("streams that are opened after the path has changed are cut for it; those of one path share their options", () => {
  const settings = new StreamSettings(SETTINGS, LIMITS)
  const before = settings.sending(1_000)
  expect(settings.sending(1_000)).toBe(before)
  expect(settings.sending(500).payloadBytesMax).toBe(500)
  expect(before.payloadBytesMax).toBe(1_000)
})
