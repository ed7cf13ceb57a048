import fc from "fast-check"

// Every property of a run starts from one seed, which a failure prints together with its path: FC_SEED=… repeats the run.
const seed = process.env["FC_SEED"] === undefined ? Date.now() | 0 : Number(process.env["FC_SEED"])

fc.configureGlobal({ seed, ...(process.env["FC_RUNS"] === undefined ? {} : { numRuns: Number(process.env["FC_RUNS"]) }) })
