import { Endpoint, type Peer } from "@x/endpoint"
import type { Output } from "./output.ts"
import { findProtection } from "./secret.ts"

export interface ConnectOptions {
  /** How long the target may take to answer, in milliseconds. */
  readonly timeoutMs: number
  /** `undefined`: use the environment's secret. */
  readonly secretFile: string | undefined
  readonly output: Output
  readonly signal: AbortSignal
}

/** A peer is unreachable after ten seconds of silence, and given up this many milliseconds later. */
const LEAVE_MS = 20_000

/** Binds a new endpoint and joins the peer at the target. Close the endpoint: it says goodbye. */
export async function connect(
  target: string,
  { timeoutMs, secretFile, output, signal }: ConnectOptions,
): Promise<{ endpoint: Endpoint; peer: Peer }> {
  const protection = await findProtection(secretFile)
  if (protection?.note !== undefined) output.note(protection.note)
  const endpoint = await Endpoint.bind({ ...(protection?.options ?? { protection: "checksum" }), leaveMs: LEAVE_MS })
  endpoint.on("unreachable", () => {
    output.setReachable(false)
    output.note(`${target} doesn't answer any more; it has another ${LEAVE_MS / 1_000} seconds`)
  })
  endpoint.on("reachable", () => {
    output.setReachable(true)
    output.note(`${target} answers again`)
  })
  try {
    return { endpoint, peer: await endpoint.join(target, { timeoutMs, signal }) }
  } catch (error) {
    await endpoint.close()
    throw error
  }
}
