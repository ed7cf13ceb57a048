// Removes what an earlier build left in the package it is run from, so that a deleted source has no output.
import { rmSync } from "node:fs"

rmSync("dist", { recursive: true, force: true })
