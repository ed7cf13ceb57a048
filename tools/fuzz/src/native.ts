/** The C helper under libFuzzer, by the helper's own script. */
import { spawnSync } from "node:child_process"
import { join } from "node:path"

const SKIPPED = 77

export interface NativeBounds {
  readonly seed: number
  readonly inputs: number | undefined
  readonly seconds: number | undefined
}

/** Returns the number of findings: at most one. */
export function fuzzNative(root: string, { seed, inputs, seconds }: NativeBounds): number {
  const script = join(root, "packages/native/test/fuzz.mjs")
  // libFuzzer's seed has 32 bits, and 0 would mean a random one.
  const args = ["--seed", String(seed >>> 0 || 1), "--keep", join(root, ".cache/fuzz")]
  if (seconds !== undefined) args.push("--seconds", String(seconds))
  if (inputs !== undefined) args.push("--inputs", String(inputs))
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], { encoding: "utf8" })
  const said = (stdout + stderr).trim()
  if (status === SKIPPED) {
    console.log(`native: skipped: ${said}`)
    return 0
  }
  if (status === 0) {
    const executed = /number_of_executed_units: (\d+)/.exec(said)?.[1]
    console.log(
      `native: ${executed} inputs by libFuzzer, with AddressSanitizer and UndefinedBehaviorSanitizer, seed ${seed}`,
    )
    return 0
  }
  console.error(
    `FOUND by native, seed ${seed}:\n${said}\nreplay: npm run fuzz -- native --seed ${seed}${inputs === undefined ? "" : ` --inputs ${inputs}`}`,
  )
  return 1
}
