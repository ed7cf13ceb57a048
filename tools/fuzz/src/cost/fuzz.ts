/** `npm run fuzz -- cost`: searches, and prints the dearest that it found. */
import { Random } from "@x/transport/simulated"
import { CostBounds, describeCost, type Judged } from "./bounds.ts"
import { CASES } from "./cases.ts"
import { StepCounter } from "./steps.ts"

const TRIES = 60

interface Bounds {
  readonly seed: number
  readonly inputs: number | undefined
  readonly seconds: number | undefined
}

/** Returns how much it found. */
export async function fuzzCost({ seed, inputs, seconds }: Bounds): Promise<number> {
  const startMs = performance.now()
  const counter = new StepCounter()
  try {
    const bounds = await CostBounds.measure(counter)
    const endMs = startMs + (seconds ?? Infinity) * 1_000
    const usual = inputs ?? (seconds === undefined ? TRIES : Infinity)
    const known: Judged[] = []
    // What ends the association does so once.
    for (const { moves, endsIt } of CASES) if (endsIt !== true) known.push(await bounds.judge(moves))
    const { tries, dearest } = await bounds.search(new Random(seed, "cost"), known, usual, endMs)
    const took = ((performance.now() - startMs) / 1_000).toFixed(1)
    const isFound = dearest.share > 1
    console.log(
      `cost: ${tries} inputs in ${took} s, seed ${seed}; ${isFound ? "FOUND" : "dearest"}: ${describeCost(dearest)}`,
    )
    return isFound ? 1 : 0
  } finally {
    counter.close()
  }
}
