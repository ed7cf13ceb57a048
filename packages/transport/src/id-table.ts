/** Objects by small integers ≥ 1; a released id is used again. */
export class IdTable<T> {
  readonly #noun: string
  readonly #items: (T | undefined)[] = [undefined]
  readonly #free: number[] = []

  /** `noun` names the objects in errors. */
  constructor(noun: string) {
    this.#noun = noun
  }

  get size(): number {
    return this.#items.length - 1 - this.#free.length
  }

  /** All objects, with their ids. */
  *entries(): Generator<readonly [id: number, item: T]> {
    for (let id = 1; id < this.#items.length; id++) {
      const item = this.#items[id]
      if (item !== undefined) yield [id, item]
    }
  }

  register(item: T): number {
    const id = this.#free.pop() ?? this.#items.length
    this.#items[id] = item
    return id
  }

  release(id: number): void {
    this.get(id)
    this.#items[id] = undefined
    this.#free.push(id)
  }

  get(id: number): T {
    const item = this.#items[id]
    if (item === undefined) throw new RangeError(`no ${this.#noun} has the id ${id}`)
    return item
  }
}
