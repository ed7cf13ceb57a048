import { MODE } from "@x/wire"
import type { StreamScope } from "./stream-model.ts"

/** Three messages in a window of two, in the modes whose packets are acknowledged and in the one that forgets. */
export const MODES = ["reliable", "reliable-unordered", "best-effort", "latest"] as const

/** `test` takes seconds, `small` a minute or two, `large` longer. */
export const SCOPES = {
  test: { faults: 1, timeouts: 0, inFlightMax: 2 },
  small: { faults: 1, timeouts: 1, inFlightMax: 2 },
  large: { faults: 2, timeouts: 2, inFlightMax: 3 },
} as const
export type ScopeName = keyof typeof SCOPES

export function streamScope(mode: keyof typeof MODE, name: ScopeName): StreamScope {
  return { mode: MODE[mode], messages: 3, windowPackets: 2, ...SCOPES[name] }
}
