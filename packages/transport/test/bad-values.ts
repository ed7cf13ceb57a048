/**
 * Values that callers pass in by mistake, by name. The test of an option says which of these are valid for it; all
 * others have to be refused.
 */
export const BAD_VALUES: readonly (readonly [string, unknown])[] = [
  ["NaN", Number.NaN],
  ["Infinity", Infinity],
  ["-Infinity", -Infinity],
  ["-1", -1],
  ["-0", -0],
  ["0", 0],
  ["1/2", 0.5],
  ["1", 1],
  ["2^31", 2 ** 31],
  ["2^32", 2 ** 32],
  ["2^53", 2 ** 53],
  ["1e308", 1e308],
  ['"500"', "500"],
  ['""', ""],
  ["null", null],
  ["500n", 500n],
  ["true", true],
  ["a symbol", Symbol("500")],
  ["a list", [500]],
  ["an object", {}],
  ["a function", () => 500],
]

/**
 * The names of the values that a function accepts. It throws or rejects for the others, and the error has to match.
 * `renew` is called after each accepted value.
 */
export async function takenBy(
  call: (value: unknown) => unknown,
  failure: object,
  renew = async (): Promise<void> => {},
): Promise<string[]> {
  const taken: string[] = []
  for (const [name, value] of BAD_VALUES) {
    const error = await failureOf(() => call(value))
    if (error === undefined) {
      taken.push(name)
      await renew()
    } else if (!matches(error, failure)) throw new Error(`${name} failed otherwise`, { cause: error })
  }
  return taken
}

/** The error that a call throws or rejects with; `undefined`: it succeeds, or doesn't settle at once. */
export async function failureOf(call: () => unknown): Promise<unknown> {
  let failure: unknown
  try {
    const result = call()
    if (result instanceof Promise) result.catch((error: unknown) => (failure = error))
  } catch (error) {
    return error
  }
  for (let turn = 0; turn < 50; turn++) await Promise.resolve()
  return failure
}

function matches(error: unknown, failure: object): boolean {
  return Object.entries(failure).every(([key, value]) => (error as Record<string, unknown>)[key] === value)
}
