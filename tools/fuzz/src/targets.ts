/** All targets by name. */
import { assemblerTarget } from "./assembler.ts"
import { decodeTarget, structuredTarget } from "./decode.ts"
import { pairTarget } from "./pair.ts"
import { receiveStreamTarget } from "./receive-stream.ts"
import type { Target } from "./target.ts"

export const TARGETS: readonly Target[] = [
  decodeTarget(),
  structuredTarget(),
  assemblerTarget,
  receiveStreamTarget,
  pairTarget,
]
