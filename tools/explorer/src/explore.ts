/** Breadth-first search over all states of a model: the first counterexample that it finds is a shortest one. */
import { createHash } from "node:crypto"

/** One state of a model, which changes in place. */
export interface State {
  /**
   * What can happen now. The order is part of the model: it decides which of several shortest counterexamples is found.
   */
  actions(): readonly string[]
  apply(action: string): void
  clone(): State
  /** Equal for states that behave alike from here on. */
  key(): string
  /** The first property that doesn't hold, by name, with the observation. */
  readonly violation: Violation | undefined
  /**
   * Runs the continuation in which nothing is lost any more, until it is over or meets a state with a `known` key.
   * Returns the property that didn't come about.
   */
  converge(known: Set<string>): Violation | undefined
}

export interface Violation {
  readonly property: string
  readonly seen: string
}

export interface Exploration {
  readonly states: number
  readonly transitions: number
  readonly depth: number
  /** All states within the scope were visited. */
  readonly isExhaustive: boolean
  /** `isLater`: the violation isn't at the end of the trace, but in its continuation without faults. */
  readonly counterexample: (Violation & { readonly trace: readonly string[]; readonly isLater: boolean }) | undefined
}

export interface Bounds {
  readonly statesMax?: number
}

export function explore(initial: State, { statesMax = Infinity }: Bounds = {}): Exploration {
  const seen = new Set([digest(initial.key())])
  const parents: number[] = [-1]
  const actions: string[] = [""]
  const converged = new Set<string>()
  let frontier: { readonly state: State; readonly index: number }[] = [{ state: initial, index: 0 }]
  let transitions = 0
  let depth = 0
  const result = (violation?: Violation, index = 0, isLater = false): Exploration => ({
    ...{ states: seen.size, transitions, depth, isExhaustive: violation === undefined && frontier.length === 0 },
    counterexample: violation && { ...violation, trace: traceTo(index), isLater },
  })
  const traceTo = (index: number): string[] => (index <= 0 ? [] : [...traceTo(parents[index]!), actions[index]!])
  if (initial.violation !== undefined) return result(initial.violation)
  while (frontier.length > 0) {
    const next: typeof frontier = []
    for (const { state, index } of frontier) {
      const stuck = thrownBy(() => state.clone().converge(converged))
      if (stuck !== undefined) return result(stuck, index, true)
      for (const action of state.actions()) {
        const after = state.clone()
        const thrown = thrownBy(() => after.apply(action))
        transitions++
        const violation = thrown ?? after.violation
        const hash = violation === undefined ? digest(after.key()) : ""
        if (seen.has(hash)) continue
        const at = parents.push(index) - 1
        actions.push(action)
        if (violation !== undefined) return result(violation, at)
        seen.add(hash)
        next.push({ state: after, index: at })
        if (seen.size >= statesMax) return result()
      }
    }
    frontier = next
    if (next.length > 0) depth++
  }
  return result()
}

/** A machine that throws has broken a property too. */
function thrownBy(run: () => Violation | undefined | void): Violation | undefined {
  try {
    return run() ?? undefined
  } catch (error) {
    return { property: "nothing throws", seen: String(error) }
  }
}

/** 16 bytes of SHA-256: among a billion states, the chance that two share a digest is 1 in 10^20. */
function digest(key: string): string {
  return createHash("sha256").update(key).digest("base64").slice(0, 22)
}
