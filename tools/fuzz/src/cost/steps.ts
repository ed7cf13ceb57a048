/**
 * Counts what the packages do, instead of how long it takes: how often each block of their code is entered, as V8's
 * coverage tells, and what is moved or cleared by calls of the language that are one block and may be much work.
 */
import { Session } from "node:inspector"
import { setFlagsFromString } from "node:v8"

/** Code without a clock and a socket: its work follows from what it is given. */
const COUNTED = /\/packages\/(wire|fragment|stream|endpoint)\/(src|dist)\//
/** Nothing is done there: what is counted is how a test runner reads what a source exports, once for each reading. */
const EXPORTS_ONLY = /\/src\/(index|double)\.ts$/
/** Bytes or elements that count as one step. */
const ELEMENTS_PER_STEP = 16
const BYTES_PER_STEP = 64

interface CoverageResult {
  readonly result: readonly {
    readonly url: string
    readonly functions: readonly {
      readonly functionName: string
      readonly ranges: readonly { readonly count: number }[]
    }[]
  }[]
}

/** Undoes what makes calls of the language count. */
type Restore = () => void

/** How many elements a call looks at or moves. */
type Elements = (self: ArrayLike<unknown>, args: readonly unknown[], result: unknown) => number

const all: Elements = (self) => self.length
const between =
  (from: number): Elements =>
  (self, args) =>
    Math.max(0, (Number(args[from + 1] ?? self.length) || 0) - (Number(args[from] ?? 0) || 0))
const returned: Elements = (_self, _args, result) => (result as ArrayLike<unknown>).length

const TYPED_METHODS: readonly (readonly [string, Elements])[] = [
  ["fill", between(1)],
  ["set", (_self, args) => (args[0] as ArrayLike<unknown>).length],
  ["copyWithin", between(1)],
  ["slice", returned],
  ["indexOf", all],
  ["sort", all],
]
const ARRAY_METHODS: readonly (readonly [string, Elements])[] = [
  ...["splice", "shift", "unshift", "indexOf", "includes", "sort", "reverse"].map((name) => [name, all] as const),
  ["slice", returned],
  ["concat", returned],
]

export class StepCounter {
  readonly #session = new Session()
  #moved = 0
  #last: CoverageResult["result"] = []

  /** To be made before the code to count runs for the first time: what ran before is counted by functions only. */
  constructor() {
    // Code that V8 has optimized counts less than it does: the more often a case ran, the cheaper it seemed.
    for (const tier of ["turbofan", "maglev", "sparkplug"]) setFlagsFromString(`--no-${tier}`)
    this.#session.connect()
    this.#ask("Profiler.enable")
    this.#ask("Profiler.startPreciseCoverage", { callCount: true, detailed: true })
  }

  /** The steps of what runs until `run` settles. */
  async count(run: () => Promise<void>): Promise<number> {
    this.#ask("Profiler.takePreciseCoverage")
    this.#moved = 0
    const restores = [...this.#watchMethods(), ...this.#watchConstructors()]
    try {
      await run()
    } finally {
      for (const restore of restores) restore()
    }
    const { result } = this.#ask("Profiler.takePreciseCoverage") as CoverageResult
    this.#last = result.filter(({ url }) => COUNTED.test(url) && !EXPORTS_ONLY.test(url))
    let steps = 0
    for (const { functions } of this.#last) for (const { ranges } of functions) steps += stepsOf(ranges)
    return steps + Math.floor(this.#moved)
  }

  /** The functions that most of the last count went to, with the steps of each, and what calls of the language did. */
  dearest(count: number): string {
    const all = this.#last.flatMap(({ url, functions }) =>
      functions.map(({ functionName, ranges }) => ({
        name: `${functionName} (${url.slice(url.lastIndexOf("/") + 1)})`,
        steps: stepsOf(ranges),
      })),
    )
    all.push({ name: "moved or cleared", steps: Math.floor(this.#moved) })
    const first = all.toSorted((a, b) => b.steps - a.steps).slice(0, count)
    return first.map(({ name, steps }) => `${steps} ${name}`).join(", ")
  }

  close(): void {
    this.#ask("Profiler.stopPreciseCoverage")
    this.#session.disconnect()
  }

  #ask(method: string, params: object = {}): unknown {
    let answer: unknown
    // In the same process an answer comes before the call returns.
    this.#session.post(method, params, (error: Error | null, result?: unknown) => {
      if (error !== null) throw error
      answer = result
    })
    return answer
  }

  #watchMethods(): Restore[] {
    const typed = Object.getPrototypeOf(Uint8Array.prototype) as object
    const move = (elements: number): void => void (this.#moved += elements / ELEMENTS_PER_STEP)
    return [
      ...TYPED_METHODS.map(([name, elements]) => watch(typed, name, elements, move)),
      ...ARRAY_METHODS.map(([name, elements]) => watch(Array.prototype, name, elements, move)),
    ]
  }

  /** Memory is cleared before it is given. */
  #watchConstructors(): Restore[] {
    const clear = (made: object): void => {
      const { byteLength } = made as { readonly byteLength: number }
      this.#moved += byteLength / BYTES_PER_STEP
    }
    const names = ["ArrayBuffer", "Uint8Array", "Uint16Array", "Uint32Array", "Int32Array", "Float64Array"] as const
    return names.map((name) => {
      const usual: (typeof globalThis)[typeof name] = globalThis[name]
      const counting = new Proxy(usual, {
        construct(target, args: unknown[], newTarget) {
          const made = Reflect.construct(target, args, newTarget) as object
          if (typeof args[0] === "number") clear(made)
          return made
        },
      })
      Object.assign(globalThis, { [name]: counting })
      return () => void Object.assign(globalThis, { [name]: usual })
    })
  }
}

function stepsOf(ranges: readonly { readonly count: number }[]): number {
  return ranges.reduce((sum, { count }) => sum + count, 0)
}

function watch(prototype: object, name: string, elements: Elements, moved: (elements: number) => void): Restore {
  const usual = Reflect.get(prototype, name) as (...args: unknown[]) => unknown
  const counting = function (this: ArrayLike<unknown>, ...args: unknown[]): unknown {
    const result: unknown = Reflect.apply(usual, this, args)
    moved(elements(this, args, result))
    return result
  }
  Object.defineProperty(prototype, name, { value: counting, configurable: true, writable: true })
  return () => void Object.defineProperty(prototype, name, { value: usual, configurable: true, writable: true })
}
