/**
 * A state of the join model is stored as the steps that led to it: protocols consist of closures, which can only be
 * copied by repeating the steps.
 */
import type { State, Violation } from "./explore.ts"
import { type JoinScope, JoinWorld } from "./join-world.ts"

export class JoinState implements State {
  readonly scope: JoinScope
  readonly path: string[]
  violation: Violation | undefined
  #actions: readonly string[] | undefined
  #key: string | undefined

  constructor(scope: JoinScope, path: readonly string[] = []) {
    this.scope = scope
    this.path = [...path]
  }

  clone(): State {
    return new JoinState(this.scope, this.path)
  }

  actions(): readonly string[] {
    if (this.#actions === undefined) this.#look(this.#world())
    return this.#actions!
  }

  key(): string {
    if (this.#key === undefined) this.#look(this.#world())
    return this.#key!
  }

  apply(action: string): void {
    const world = this.#world()
    this.path.push(action)
    world.apply(action)
    this.#look(world)
  }

  converge(known: Set<string>): Violation | undefined {
    return this.#world().converge(known)
  }

  /** The world itself isn't kept: the worlds of a whole frontier wouldn't fit into memory. */
  #look(world: JoinWorld): void {
    this.violation = world.violation
    this.#actions = world.actions()
    this.#key = world.key()
  }

  #world(): JoinWorld {
    const world = new JoinWorld(this.scope)
    for (const action of this.path) world.apply(action)
    return world
  }
}
